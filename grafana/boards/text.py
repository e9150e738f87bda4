"""Words in both languages, side by side, so that neither can be forgotten."""

LANGUAGES = ("en", "zh")


class Text:
    """A text in English and Chinese; `+` joins it with another, or with a string that is the same in both."""

    def __init__(self, en, zh):
        self.words = {"en": en, "zh": zh}

    def __add__(self, other):
        other = of(other)
        return Text(*(self.words[lang] + other.words[lang] for lang in LANGUAGES))

    def __str__(self):
        raise TypeError("a text of two languages within a string: join them with +")

    __format__ = None

    def __radd__(self, other):
        return of(other) + self


def of(text):
    """`text` as a Text."""
    return text if isinstance(text, Text) else Text(text, text)


def render(value, lang):
    """`value`, made of dicts, lists and texts, in one language."""
    if isinstance(value, Text):
        return value.words[lang]
    if isinstance(value, dict):
        return {render(key, lang): render(item, lang) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [render(item, lang) for item in value]
    return value
