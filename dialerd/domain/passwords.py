"""Which passwords are taken, after NIST SP 800-63B: long ones of whatever characters, that are no usual guess."""

import unicodedata
from collections.abc import Sequence

SHORTEST = 12
"""Characters. No rule asks for digits or signs: they make passwords hard to remember, and not hard to guess."""
LONGEST = 1000
"""Bytes: whoever sends more wants to keep the server busy."""
_SHORTEST_UNIT = 4
"""Characters that may be repeated all over: `abcabcabcabc` is no better than `abc`."""

_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "01234567890123456789",
    "98765432109876543210",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
)
"""Along the alphabet, the digits and the keyboard."""
_COMMONEST = """
123456789abc 1234567890ab 1234567890abc 123456789qwe 123qweasdzxc abcd12345678 administrator adminadmin123
adminpassword asterisk1234 asteriskasterisk changeme1234 changemenow1 dialerd12345 dialerdadmin dialerddialerd
football1234 iloveyou1234 iloveyouforever jessica12345 letmeinletmein letmeinplease letmein12345 michael12345
monkey123456 mypassword12 mypassword123 mypassword1234 newpassword1 newpassword12 passw0rd1234 passw0rdpassw0rd
password1234 password12345 password123456 password1234567 password12345678 password123456789 password1234567890
passwordpassword princess1234 qwerty123456 qwerty1234567 qwerty12345678 qwerty123456789 qwertyqwerty qwertyuiop12
qwertyuiop123 qwertyuiop1234 qwertyuiop123456789 secretpassword sunshine1234 superman1234 supervisor12 supervisor123
supersecret1 thisismypassword trustno1trustno1 unknownpassword welcome12345 welcome123456 yourpassword
"""
"""Those of the usual lists that are long enough, and some that suit this program."""


def normalized(password: str) -> str:
    """However the keyboard composes a letter: the same password (SP 800-63B asks for it before hashing)."""
    return unicodedata.normalize("NFKC", password)


def problems_with(password: str, *, login: str) -> Sequence[str]:
    """Sentences, one for each; none: it is taken."""
    written = normalized(password)
    plain = "".join(written.casefold().split())
    checks = (
        (
            len(written) >= SHORTEST,
            f"the password has {len(written)} characters: it needs {SHORTEST}, such as a few words",
        ),
        (_bytes_of(written) <= LONGEST, f"the password is longer than {LONGEST} bytes"),
        (not _is_made_of(plain, login.casefold()), "the password is the login, or little more"),
        (plain not in _COMMONEST.split() and not _is_run(plain), "the password is one of those that are guessed first"),
        (not _repeats(plain), "the password is a few characters over and over"),
    )
    return [problem for holds, problem in checks if not holds]


def _bytes_of(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _is_made_of(plain: str, login: str) -> bool:
    """The login, also with digits and signs around it, or more than once."""
    rest = plain.replace(login, "")
    return rest != plain and not any(c.isalpha() for c in rest)


def _is_run(plain: str) -> bool:
    return any(plain in run for run in _RUNS)


def _repeats(plain: str) -> bool:
    return any(plain == (plain[:size] * len(plain))[: len(plain)] for size in range(1, _SHORTEST_UNIT + 1))
