"""Forms, as Twilio sends them and web frameworks hand them over."""


class Several:
    """A form in which names may come more than once, as web frameworks hand it over."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __iter__(self):
        return iter(name for name, _ in self.pairs)

    def __len__(self):
        return len(self.pairs)

    def getall(self, name):
        return [value for known, value in self.pairs if known == name]


FORMS = {
    "plain": [("From", "+15005550006"), ("Body", "Hello & ü 🪨"), ("CallSid", "CA1")],
    "several values": [("Media", "b"), ("Media", "a"), ("Body", "x"), ("Media", "a")],
    "empty value": [("Body", ""), ("NumMedia", "0")],
    "line ends": [("Body", "one\r\ntwo\ttabs+plus %41"), ("A", "=&=")],
    "case of names": [("b", "1"), ("B", "2"), ("a", "3"), ("_", "4")],
}
