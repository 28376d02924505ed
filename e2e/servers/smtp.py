"""A real SMTP server for tests: every mail becomes one JSON file.

Three listeners: `starttls` refuses everything before STARTTLS, `implicit` speaks TLS from the first
byte, `plain` offers neither TLS nor a login, as a server behind a stripping middleman would look.
The first two want user `saker` with the password given.
"""

import argparse
import asyncio
import email
import email.policy
import json
import os
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

PLAIN_HOST = "127.0.0.1"


class Store:
    """Answers some recipients as busy or unknown servers do, and keeps the mails of the rest."""

    def __init__(self, folder, listener):
        self.folder = folder
        self.listener = listener

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("busy@"):
            return "450 4.2.1 mailbox busy, try again later"
        if address.startswith("unknown@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text = parsed.get_body(("plain",))
        html = parsed.get_body(("html",))
        mail = {
            "listener": self.listener,
            "encrypted": session.ssl is not None or self.listener == "implicit",
            "user": session.auth_data.decode() if session.auth_data else None,
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in parsed.items()],
            "text": text.get_content().replace("\r\n", "\n") if text else None,
            "html": html.get_content().replace("\r\n", "\n") if html else None,
            "defects": [repr(d) for part in parsed.walk() for d in part.defects],
            "longest_line": max(map(len, envelope.original_content.split(b"\r\n"))),
            "raw": envelope.original_content.decode("latin-1"),
        }
        name = f"{len(os.listdir(self.folder)):06}"
        with open(os.path.join(self.folder, f".{name}"), "w") as file:
            json.dump(mail, file)
        os.rename(os.path.join(self.folder, f".{name}"), os.path.join(self.folder, f"{name}.json"))
        return "250 OK"


def authenticator(password):
    def check(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and data.password == password.encode()
        if good and data.login == b"saker":
            return AuthResult(success=True, auth_data=data.login)
        return AuthResult(success=False, handled=False)

    return check


async def main():
    parser = argparse.ArgumentParser()
    for name in ("folder", "certificate", "key", "password"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("starttls", "implicit", "plain"):
        parser.add_argument(f"--{name}", required=True, type=int)
    options = parser.parse_args()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.certificate, options.key)
    login = {"auth_required": True, "authenticator": authenticator(options.password)}

    def starttls():
        store = Store(options.folder, "starttls")
        return SMTP(store, tls_context=tls, require_starttls=True, auth_require_tls=True, **login)

    def implicit():
        return SMTP(Store(options.folder, "implicit"), auth_require_tls=False, **login)

    def plain():
        return SMTP(Store(options.folder, "plain"), auth_exclude_mechanism=["LOGIN", "PLAIN"])

    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(starttls, PLAIN_HOST, options.starttls),
        await loop.create_server(implicit, PLAIN_HOST, options.implicit, ssl=tls),
        await loop.create_server(plain, PLAIN_HOST, options.plain),
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
