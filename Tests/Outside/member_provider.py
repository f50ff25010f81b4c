"""An OpenID Provider that others wrote: django-oauth-toolkit, with accounts of its own, on a loopback port.

Run as a program it serves until it is ended: member_provider.py FOLDER PORT CLIENT_ID SECRET_FILE REDIRECT_URI.
What stands here is only its set-up, as a payer's would be: discovery, keys, code flow, PKCE, ID tokens and sign-out are
the toolkit's own.
"""
import pathlib
import subprocess
import sys
import wsgiref.simple_server

PEOPLE = {"anna": ("anna-password", "M-1001"), "ben": ("ben-password", "M-1002"), "carl": ("carl-password", "M-9999")}
"""Account names with their passwords and member numbers."""

LOGIN_PAGE = """<!doctype html><title>Example Health Plan</title><h1>Example Health Plan</h1>
<form method="post">{% csrf_token %}{{ form.as_p }}<input type="hidden" name="next" value="{{ next }}">
<button type="submit">Sign in</button></form>"""


def set_up(folder, port):
    """Configures Django with the toolkit as a provider whose issuer is http://127.0.0.1:PORT/o."""
    import django
    from django.conf import settings

    key = pathlib.Path(folder, "provider.pem")
    if not key.exists():
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key)],
            check=True, capture_output=True)
    settings.configure(
        DEBUG=False, SECRET_KEY="a-provider-of-the-tests-and-of-nobody-else", ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
            "oauth2_provider"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(pathlib.Path(folder, "provider.db"))}},
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN_PAGE}),
                    "django.template.loaders.app_directories.Loader"],
                "context_processors": [
                    "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages"]}}],
        ROOT_URLCONF="member_provider_urls", LOGIN_URL="/accounts/login/", USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True, "OIDC_RSA_PRIVATE_KEY": key.read_text(),
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o", "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False, "PKCE_REQUIRED": True,
            "SCOPES": {"openid": "Who you are", "membership": "Your member number"},
            "OAUTH2_VALIDATOR_CLASS": "member_provider_urls.Validator"})
    django.setup()


def main(folder, port, client_id, secret_file, redirect):
    set_up(folder, port)
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from oauth2_provider.models import get_application_model

    call_command("migrate", verbosity=0)
    for name, (password, member) in PEOPLE.items():
        # The member number stands in a field that Django has anyway; e-mail addresses are there to be ignored.
        get_user_model().objects.create_user(
            name, email="anna@plan.example", password=password, last_name=member)
    get_application_model().objects.create(
        name="Chaperone", client_id=client_id, client_secret=pathlib.Path(secret_file).read_text().strip(),
        client_type="confidential", authorization_grant_type="authorization-code", redirect_uris=redirect,
        post_logout_redirect_uris=redirect.split("/login/")[0] + "/oauth/logout", algorithm="RS256",
        skip_authorization=True)
    with wsgiref.simple_server.make_server("127.0.0.1", int(port), get_wsgi_application()) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    main(*sys.argv[1:])
