#include "CAssets.h"

// Written by embed.py.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char demo_callback_html[] = {
#embed "demo/callback.html"
};
static const unsigned char demo_callback_js[] = {
#embed "demo/callback.js"
};
static const unsigned char demo_demo_css[] = {
#embed "demo/demo.css"
};
static const unsigned char demo_dom_js[] = {
#embed "demo/dom.js"
};
static const unsigned char demo_index_html[] = {
#embed "demo/index.html"
};
static const unsigned char demo_keys_demo_backend_jwks_json[] = {
#embed "demo/keys/demo-backend.jwks.json"
};
static const unsigned char demo_keys_demo_ehr_test_only_jwk_json[] = {
#embed "demo/keys/demo-ehr.TEST-ONLY.jwk.json"
};
static const unsigned char demo_keys_demo_ehr_jwks_json[] = {
#embed "demo/keys/demo-ehr.jwks.json"
};
static const unsigned char demo_keys_demo_payer_peer_jwks_json[] = {
#embed "demo/keys/demo-payer-peer.jwks.json"
};
static const unsigned char demo_keys_demo_prior_auth_jwks_json[] = {
#embed "demo/keys/demo-prior-auth.jwks.json"
};
static const unsigned char demo_keys_demo_provider_access_jwks_json[] = {
#embed "demo/keys/demo-provider-access.jwks.json"
};
static const unsigned char demo_keys_demo_resource_server_jwks_json[] = {
#embed "demo/keys/demo-resource-server.jwks.json"
};
static const unsigned char demo_launch_js[] = {
#embed "demo/launch.js"
};
static const unsigned char demo_readable_js[] = {
#embed "demo/readable.js"
};
static const unsigned char demo_records_html[] = {
#embed "demo/records.html"
};
static const unsigned char demo_records_js[] = {
#embed "demo/records.js"
};
static const unsigned char demo_refusals_html[] = {
#embed "demo/refusals.html"
};
static const unsigned char demo_refusals_js[] = {
#embed "demo/refusals.js"
};
static const unsigned char demo_smart_js[] = {
#embed "demo/smart.js"
};
static const unsigned char pages_account_activity_mustache[] = {
#embed "pages/account-activity.mustache"
};
static const unsigned char pages_account_apps_mustache[] = {
#embed "pages/account-apps.mustache"
};
static const unsigned char pages_account_head_mustache[] = {
#embed "pages/account-head.mustache"
};
static const unsigned char pages_account_login_mustache[] = {
#embed "pages/account-login.mustache"
};
static const unsigned char pages_account_security_mustache[] = {
#embed "pages/account-security.mustache"
};
static const unsigned char pages_account_sessions_mustache[] = {
#embed "pages/account-sessions.mustache"
};
static const unsigned char pages_account_who_mustache[] = {
#embed "pages/account-who.mustache"
};
static const unsigned char pages_chaperone_css[] = {
#embed "pages/chaperone.css"
};
static const unsigned char pages_chaperone_svg[] = {
#embed "pages/chaperone.svg"
};
static const unsigned char pages_code_field_mustache[] = {
#embed "pages/code-field.mustache"
};
static const unsigned char pages_consent_item_mustache[] = {
#embed "pages/consent-item.mustache"
};
static const unsigned char pages_consent_mustache[] = {
#embed "pages/consent.mustache"
};
static const unsigned char pages_console_audit_mustache[] = {
#embed "pages/console-audit.mustache"
};
static const unsigned char pages_console_css[] = {
#embed "pages/console.css"
};
static const unsigned char pages_console_mustache[] = {
#embed "pages/console.mustache"
};
static const unsigned char pages_demo_layout_mustache[] = {
#embed "pages/demo-layout.mustache"
};
static const unsigned char pages_demo_message_mustache[] = {
#embed "pages/demo-message.mustache"
};
static const unsigned char pages_ehr_mustache[] = {
#embed "pages/ehr.mustache"
};
static const unsigned char pages_encounter_mustache[] = {
#embed "pages/encounter.mustache"
};
static const unsigned char pages_enrolment_mustache[] = {
#embed "pages/enrolment.mustache"
};
static const unsigned char pages_idp_mustache[] = {
#embed "pages/idp.mustache"
};
static const unsigned char pages_index_mustache[] = {
#embed "pages/index.mustache"
};
static const unsigned char pages_layout_mustache[] = {
#embed "pages/layout.mustache"
};
static const unsigned char pages_leaving_mustache[] = {
#embed "pages/leaving.mustache"
};
static const unsigned char pages_login_mustache[] = {
#embed "pages/login.mustache"
};
static const unsigned char pages_logout_mustache[] = {
#embed "pages/logout.mustache"
};
static const unsigned char pages_message_mustache[] = {
#embed "pages/message.mustache"
};
static const unsigned char pages_patient_mustache[] = {
#embed "pages/patient.mustache"
};
static const unsigned char pages_recovery_codes_mustache[] = {
#embed "pages/recovery-codes.mustache"
};
static const unsigned char pages_second_factor_mustache[] = {
#embed "pages/second-factor.mustache"
};
static const unsigned char pages_signed_out_mustache[] = {
#embed "pages/signed-out.mustache"
};
static const unsigned char pages_ward_mustache[] = {
#embed "pages/ward.mustache"
};
static const unsigned char pages_who_mustache[] = {
#embed "pages/who.mustache"
};

#define ENTRY(identifier, path) {path, identifier, sizeof identifier}

static const chaperone_asset table[] = {
    ENTRY(demo_callback_html, "demo/callback.html"),
    ENTRY(demo_callback_js, "demo/callback.js"),
    ENTRY(demo_demo_css, "demo/demo.css"),
    ENTRY(demo_dom_js, "demo/dom.js"),
    ENTRY(demo_index_html, "demo/index.html"),
    ENTRY(demo_keys_demo_backend_jwks_json, "demo/keys/demo-backend.jwks.json"),
    ENTRY(demo_keys_demo_ehr_test_only_jwk_json, "demo/keys/demo-ehr.TEST-ONLY.jwk.json"),
    ENTRY(demo_keys_demo_ehr_jwks_json, "demo/keys/demo-ehr.jwks.json"),
    ENTRY(demo_keys_demo_payer_peer_jwks_json, "demo/keys/demo-payer-peer.jwks.json"),
    ENTRY(demo_keys_demo_prior_auth_jwks_json, "demo/keys/demo-prior-auth.jwks.json"),
    ENTRY(demo_keys_demo_provider_access_jwks_json, "demo/keys/demo-provider-access.jwks.json"),
    ENTRY(demo_keys_demo_resource_server_jwks_json, "demo/keys/demo-resource-server.jwks.json"),
    ENTRY(demo_launch_js, "demo/launch.js"),
    ENTRY(demo_readable_js, "demo/readable.js"),
    ENTRY(demo_records_html, "demo/records.html"),
    ENTRY(demo_records_js, "demo/records.js"),
    ENTRY(demo_refusals_html, "demo/refusals.html"),
    ENTRY(demo_refusals_js, "demo/refusals.js"),
    ENTRY(demo_smart_js, "demo/smart.js"),
    ENTRY(pages_account_activity_mustache, "pages/account-activity.mustache"),
    ENTRY(pages_account_apps_mustache, "pages/account-apps.mustache"),
    ENTRY(pages_account_head_mustache, "pages/account-head.mustache"),
    ENTRY(pages_account_login_mustache, "pages/account-login.mustache"),
    ENTRY(pages_account_security_mustache, "pages/account-security.mustache"),
    ENTRY(pages_account_sessions_mustache, "pages/account-sessions.mustache"),
    ENTRY(pages_account_who_mustache, "pages/account-who.mustache"),
    ENTRY(pages_chaperone_css, "pages/chaperone.css"),
    ENTRY(pages_chaperone_svg, "pages/chaperone.svg"),
    ENTRY(pages_code_field_mustache, "pages/code-field.mustache"),
    ENTRY(pages_consent_item_mustache, "pages/consent-item.mustache"),
    ENTRY(pages_consent_mustache, "pages/consent.mustache"),
    ENTRY(pages_console_audit_mustache, "pages/console-audit.mustache"),
    ENTRY(pages_console_css, "pages/console.css"),
    ENTRY(pages_console_mustache, "pages/console.mustache"),
    ENTRY(pages_demo_layout_mustache, "pages/demo-layout.mustache"),
    ENTRY(pages_demo_message_mustache, "pages/demo-message.mustache"),
    ENTRY(pages_ehr_mustache, "pages/ehr.mustache"),
    ENTRY(pages_encounter_mustache, "pages/encounter.mustache"),
    ENTRY(pages_enrolment_mustache, "pages/enrolment.mustache"),
    ENTRY(pages_idp_mustache, "pages/idp.mustache"),
    ENTRY(pages_index_mustache, "pages/index.mustache"),
    ENTRY(pages_layout_mustache, "pages/layout.mustache"),
    ENTRY(pages_leaving_mustache, "pages/leaving.mustache"),
    ENTRY(pages_login_mustache, "pages/login.mustache"),
    ENTRY(pages_logout_mustache, "pages/logout.mustache"),
    ENTRY(pages_message_mustache, "pages/message.mustache"),
    ENTRY(pages_patient_mustache, "pages/patient.mustache"),
    ENTRY(pages_recovery_codes_mustache, "pages/recovery-codes.mustache"),
    ENTRY(pages_second_factor_mustache, "pages/second-factor.mustache"),
    ENTRY(pages_signed_out_mustache, "pages/signed-out.mustache"),
    ENTRY(pages_ward_mustache, "pages/ward.mustache"),
    ENTRY(pages_who_mustache, "pages/who.mustache"),
    {NULL, NULL, 0},
};

const chaperone_asset *const chaperone_assets = table;
