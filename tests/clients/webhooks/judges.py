"""`keystile webhook send` signs; stripe, slack_sdk, standardwebhooks, svix and twilio judge."""

import time
from urllib.parse import urlencode

import standardwebhooks
import stripe
import svix
from deliveries import BODIES, made, run, same, secret
from forms import FORMS, Several
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

OLD = ("--timestamp", str(int(time.time()) - 1000))


def refused(what, error, judge):
    try:
        judge()
    except error:
        return
    raise AssertionError(f"{what}: was accepted")


def stripe_verifies():
    def judged(body, sent=None, **how):
        header = made("stripe", body, **how)[1]["stripe-signature"]
        return stripe.WebhookSignature.verify_header((sent or body).encode(), header, secret("stripe"), 300)

    for what, body in BODIES.items():
        same(what, judged(body), True)
    header = made("stripe", BODIES["small"])[1]["stripe-signature"]
    event = stripe.Webhook.construct_event(BODIES["small"], header, secret("stripe"))
    same("event", event.type, "charge.succeeded")
    wrong = stripe.SignatureVerificationError
    refused("changed", wrong, lambda: judged("{}", "{ }"))
    refused("wrong secret", wrong, lambda: judged("{}", which="wrong"))
    refused("old", wrong, lambda: judged("{}", more=OLD))


def slack_verifies():
    def judged(body, sent=None, **how):
        return SignatureVerifier(secret("slack")).is_valid_request((sent or body).encode(), made("slack", body, **how)[1])

    for what, body in BODIES.items():
        same(what, judged(body), True)
    same("changed", judged("{}", "{ }"), False)
    same("wrong secret", judged("{}", which="wrong"), False)
    same("old", judged("{}", more=OLD), False)


def standardwebhooks_and_svix_verify():
    for library in (standardwebhooks, svix):
        def judged(body, sent=None, **how):
            return library.Webhook(secret("standard")).verify(sent or body, made("standard", body, **how)[1])

        for what, body in BODIES.items():
            if what != "text":  # They read the body as JSON as well.
                judged(body)
        wrong = library.webhooks.WebhookVerificationError
        refused("changed", wrong, lambda: judged("{}", "{ }"))
        refused("wrong secret", wrong, lambda: judged("{}", which="wrong"))
        refused("old", wrong, lambda: judged("{}", more=OLD))
        same("its id", made("standard", "{}", more=("--id", "msg_1"))[1]["webhook-id"], "msg_1")


def twilio_validates():
    validator, url = RequestValidator(secret("twilio")), "https://hooks.example.com:8443/twilio/x?a=1&b=%20"
    for what, pairs in FORMS.items():
        called, fields = made("twilio", urlencode(pairs), url=url)
        same(what, validator.validate(called, Several(pairs), fields["x-twilio-signature"]), True)
        same(f"{what}, less", validator.validate(called, Several(pairs[1:]), fields["x-twilio-signature"]), False)
    for what in ("small", "unicode", "large"):
        called, fields = made("twilio", BODIES[what], url=url)
        same(what, validator.validate(called, BODIES[what], fields["x-twilio-signature"]), True)
        same(f"{what}, changed", validator.validate(called, BODIES[what] + " ", fields["x-twilio-signature"]), False)


run(stripe_verifies, slack_verifies, standardwebhooks_and_svix_verify, twilio_validates)
