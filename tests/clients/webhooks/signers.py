"""stripe, slack_sdk, standardwebhooks, svix and twilio sign; the gateway judges."""

import time
from datetime import datetime, timezone
from urllib.parse import urlencode

import standardwebhooks
import svix
from deliveries import BODIES, PLAIN, TLS, Delivery, run, secret
from forms import FORMS, Several
from slack_sdk.signature import SignatureVerifier
from stripe import WebhookSignature
from twilio.request_validator import RequestValidator

NOW = int(time.time())
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def by_stripe(key, body, at):
    return {"Stripe-Signature": WebhookSignature.generate_signature_header(body, key, at)}


def by_slack(key, body, at):
    signature = SignatureVerifier(key).generate_signature(timestamp=str(at), body=body)
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": signature}


def by_webhook(webhook, identity="msg"):
    def sign(key, body, at):
        number = f"{identity}_{at}_{len(body)}"
        signature = webhook(key).sign(number, datetime.fromtimestamp(at, timezone.utc), body)
        return {"webhook-id": number, "webhook-timestamp": str(at), "webhook-signature": signature}

    return sign


def judged(scheme, sign):
    """What holds of every scheme with a timestamp. Each delivery is signed at a time of its own: no two are the same."""
    url, right, at = f"{PLAIN}/{scheme}", secret(scheme), NOW
    for what, body in BODIES.items():
        Delivery(url, sign(right, body, at), body).is_taken(what, f"{scheme}/{scheme}", body)
    body, at = BODIES["unicode"], at - 1
    fields = sign(secret(scheme, "next"), body, at)
    Delivery(url, fields, body).is_taken("another secret", f"{scheme}/{scheme}", body)
    Delivery(url, fields, body).is_known("the same again")
    Delivery(url, sign(secret(scheme, "wrong"), body, at - 1), body).is_refused("wrong secret", "signature_invalid")
    Delivery(url, sign(right, body, at - 2), body + " ").is_refused("changed body", "signature_invalid")
    Delivery(url, {}, body).is_refused("unsigned", "signature_missing")
    for seconds, code in ((-290, None), (-310, "signature_expired"), (290, None), (310, "signature_expired")):
        delivery = Delivery(url, sign(right, body, NOW + seconds), body)
        if code:
            delivery.is_refused(f"{seconds} s", code)
        else:
            delivery.is_taken(f"{seconds} s", f"{scheme}/{scheme}", body)


def stripe_signs():
    judged("stripe", by_stripe)


def stripe_signs_with_two_secrets():
    """Stripe sends a signature of each while a secret is being rolled."""
    body = BODIES["small"]
    old, new = (by_stripe(secret("stripe", which), body, NOW - 20)["Stripe-Signature"] for which in ("wrong", "right"))
    fields = {"Stripe-Signature": f"{old},{new.split(',')[1]},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"}
    Delivery(f"{PLAIN}/stripe", fields, body).is_taken("rolled", "stripe/stripe", body)


def slack_signs():
    judged("slack", by_slack)


def standardwebhooks_signs():
    judged("standard", by_webhook(standardwebhooks.Webhook))


def svix_signs():
    judged("standard", by_webhook(svix.Webhook, "svix"))


def standardwebhooks_signs_with_two_secrets():
    sign, body = by_webhook(standardwebhooks.Webhook, "two"), BODIES["small"]
    old, new = (sign(secret("standard", which), body, NOW) for which in ("wrong", "right"))
    both = {**new, "webhook-signature": f"{old['webhook-signature']} {new['webhook-signature']}"}
    Delivery(f"{PLAIN}/standard", both, body).is_taken("rolled", "standard/standard", body)


def by_twilio(url, pairs, which="right"):
    return {"X-Twilio-Signature": RequestValidator(secret("twilio", which)).compute_signature(url, Several(pairs))}


def twilio_signs_forms_at_a_public_url():
    """A proxy in front ends TLS and calls the gateway by another name."""
    for what, pairs in FORMS.items():
        body = urlencode(pairs)
        for query in ("", "?a=1&b=%20x&c=%C3%BC&d"):
            path = f"/twilio/{what.replace(' ', '-')}{query}"
            fields = by_twilio(f"https://hooks.example.com{path}", pairs)
            Delivery(PLAIN + path, {**FORM, **fields}, body).is_taken(what, "twilio/twilio", body)
    pairs, path = FORMS["plain"], "/twilio/refused"
    body, url = urlencode(pairs), f"https://hooks.example.com{path}"
    for what, fields, sent in (
        ("wrong secret", by_twilio(url, pairs, "wrong"), body),
        ("another URL", by_twilio(url + "x", pairs), body),
        ("another host", by_twilio(PLAIN + path, pairs), body),
        ("another form", by_twilio(url, pairs), body + "&More=1"),
        ("a value less", by_twilio(url, pairs), body.rsplit("&", 1)[0]),
    ):
        Delivery(PLAIN + path, {**FORM, **fields}, sent).is_refused(what, "signature_invalid")
    Delivery(PLAIN + path, FORM, body).is_refused("unsigned", "signature_missing")
    fields = by_twilio(url, pairs, "next")
    Delivery(PLAIN + path, {**FORM, **fields}, body).is_taken("another secret", "twilio/twilio", body)
    Delivery(PLAIN + path, {**FORM, **fields}, body).is_known("the same again")


def twilio_signs_with_the_port_or_without():
    """Its own validator tries both, since it does not sign consistently."""
    for number, url in enumerate(("https://hooks.example.com/twilio/port", "https://hooks.example.com:443/twilio/port")):
        pairs = [("Body", f"port {number}")]
        body = urlencode(pairs)
        Delivery(f"{PLAIN}/twilio/port", {**FORM, **by_twilio(url, pairs)}, body).is_taken(url, "twilio/twilio", body)


def twilio_signs_what_it_calls_itself():
    """Straight to a listener with TLS."""
    pairs = FORMS["plain"]
    url, body = f"{TLS}/direct?a=b", urlencode(pairs)
    Delivery(url, {**FORM, **by_twilio(url, pairs)}, body).is_taken("direct", "direct/twilio", body)
    plain = url.replace("https", "http", 1)
    Delivery(url, {**FORM, **by_twilio(plain, [("Body", "y")])}, "Body=y").is_refused("not over TLS", "signature_invalid")


def twilio_signs_json_by_its_digest():
    validator, body = RequestValidator(secret("twilio")), BODIES["unicode"]
    digest = validator.compute_hash(body)
    path = f"/twilio/json?bodySHA256={digest}"
    signature = {"X-Twilio-Signature": validator.compute_signature(f"https://hooks.example.com{path}", {})}
    fields = {"Content-Type": "application/json", **signature}
    Delivery(PLAIN + path, fields, body).is_taken("JSON", "twilio/twilio", body)
    Delivery(PLAIN + path, fields, body + " ").is_refused("changed JSON", "signature_invalid")
    other = path.replace(digest, validator.compute_hash(body + " "))
    Delivery(PLAIN + other, fields, body + " ").is_refused("changed JSON and digest", "signature_invalid")
    bare = {"X-Twilio-Signature": validator.compute_signature("https://hooks.example.com/twilio/bare", {})}
    Delivery(f"{PLAIN}/twilio/bare", {**fields, **bare}, body).is_refused("JSON that nothing covers", "signature_invalid")


def twilio_calls_by_get():
    url = "https://hooks.example.com/twilio/get?From=%2B15005550006&Body=a%20b"
    fields = by_twilio(url, [])
    Delivery(PLAIN + url[25:], fields, b"", "GET").is_taken("GET", "twilio-get/twilio", b"")
    Delivery(PLAIN + url[25:] + "&x=1", fields, b"", "GET").is_refused("more in the query", "signature_invalid")


run(
    stripe_signs,
    stripe_signs_with_two_secrets,
    slack_signs,
    standardwebhooks_signs,
    svix_signs,
    standardwebhooks_signs_with_two_secrets,
    twilio_signs_forms_at_a_public_url,
    twilio_signs_with_the_port_or_without,
    twilio_signs_what_it_calls_itself,
    twilio_signs_json_by_its_digest,
    twilio_calls_by_get,
)
