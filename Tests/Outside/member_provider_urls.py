"""The addresses and claims of the provider of member_provider.py."""
from django.contrib.auth.views import LoginView
from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator


class Validator(OAuth2Validator):
    """Adds the member number to ID tokens, and claims that must not count."""

    oidc_claim_scope = None

    def get_additional_claims(self, request):
        return {
            "member_id": request.user.last_name, "email": request.user.email, "email_verified": True,
            "fhirUser": "Patient/patient-b"}


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("accounts/login/", LoginView.as_view()),
]
