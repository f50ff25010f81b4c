// The SMART side of the demo app: discovery, PKCE, the code exchange, refresh, and reading FHIR with the token.
// The token lives in sessionStorage: it is gone when the tab is closed.

const store = window.sessionStorage;

export const redirectURI = `${location.origin}/app/callback`;

export async function configuration() {
  return getJSON("/app/config.json");
}

export async function discover(base) {
  return getJSON(`${base}/.well-known/smart-configuration`);
}

async function getJSON(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, credentials: "omit" });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return answer.json();
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/// Sends the person to the authorization server (SMART App Launch 2.2, standalone launch).
export async function launch({ fhirBase, clientId, scope }) {
  const { authorization_endpoint } = await discover(fhirBase);
  const [state, verifier] = [random(), random()];
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  store.setItem("launch", JSON.stringify({ state, verifier, fhirBase, clientId }));
  const address = new URL(authorization_endpoint);
  address.search = new URLSearchParams({
    response_type: "code", client_id: clientId, redirect_uri: redirectURI, scope, state, aud: fhirBase,
    code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256",
  });
  location.assign(address);
}

/// Takes the answer in the address apart, checks it, and exchanges the code.
export async function finishLaunch(parameters) {
  const begun = JSON.parse(store.getItem("launch") ?? "null");
  store.removeItem("launch");
  if (!begun) throw new Error("This page was opened without a launch. Start again.");
  if (parameters.get("state") !== begun.state) throw new Error("The answer does not belong to this launch (state differs).");
  const configured = await discover(begun.fhirBase);
  const issuer = parameters.get("iss");
  if (issuer !== null && configured.issuer && issuer !== configured.issuer) throw new Error("The answer comes from another server (iss differs).");
  if (parameters.has("error")) {
    throw new Error(`${parameters.get("error")}: ${parameters.get("error_description") ?? "the request was not granted"}`);
  }
  return token(configured, begun, {
    grant_type: "authorization_code", code: parameters.get("code"), redirect_uri: redirectURI,
    client_id: begun.clientId, code_verifier: begun.verifier,
  });
}

async function token(configured, { fhirBase, clientId }, form) {
  const answer = await fetch(configured.token_endpoint, {
    method: "POST", credentials: "omit", headers: { Accept: "application/json" }, body: new URLSearchParams(form),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.error ?? answer.status}: ${body.error_description ?? ""}`);
  const previous = session();
  const kept = {
    fhirBase, clientId, accessToken: body.access_token, scope: body.scope,
    patient: body.patient ?? previous?.patient, refreshToken: body.refresh_token ?? previous?.refreshToken,
    expiresAt: Date.now() + body.expires_in * 1000,
  };
  store.setItem("session", JSON.stringify(kept));
  return kept;
}

export function session() {
  return JSON.parse(store.getItem("session") ?? "null");
}

export function forget() {
  store.removeItem("session");
}

export async function refresh() {
  const kept = session();
  if (!kept?.refreshToken) throw new Error("There is no refresh token: offline access was not granted.");
  const configured = await discover(kept.fhirBase);
  return token(configured, kept, { grant_type: "refresh_token", refresh_token: kept.refreshToken, client_id: kept.clientId });
}

/// Ends the access at the server (RFC 7009), then forgets it here.
export async function revoke() {
  const kept = session();
  const { revocation_endpoint } = await discover(kept.fhirBase);
  const answer = await fetch(revocation_endpoint, {
    method: "POST", credentials: "omit",
    body: new URLSearchParams({ token: kept.refreshToken ?? kept.accessToken, client_id: kept.clientId }),
  });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  forget();
}

/// One FHIR request; gives back status and body whatever they are.
export async function fhir(path, { method = "GET", body, accessToken = session()?.accessToken, contentType } = {}) {
  const headers = { Accept: "application/fhir+json" };
  if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
  if (contentType) headers["Content-Type"] = contentType;
  const address = path.startsWith("http") ? path : `${session()?.fhirBase ?? ""}/${path}`;
  const answer = await fetch(address, { method, headers, body, credentials: "omit" });
  const text = await answer.text();
  let resource = null;
  try { resource = JSON.parse(text); } catch { /* shown as text */ }
  return { status: answer.status, resource, text };
}

/// The plain words of an OperationOutcome, or of whatever came.
export function explanation({ resource, text }) {
  if (resource?.resourceType === "OperationOutcome") {
    const issues = resource.issue.map((issue) =>
      [issue.code, issue.details?.text ?? issue.details?.coding?.[0]?.code, issue.diagnostics].filter(Boolean).join(" · "));
    return `OperationOutcome: ${issues.join("; ")}`;
  }
  return resource ? resource.resourceType ?? "an answer" : text.slice(0, 300);
}
