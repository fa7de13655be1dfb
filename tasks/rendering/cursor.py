"""A place in a template's nodes, where text is read by character and a tag is one piece."""

import re

from tasks.rendering.template import Assignment, Block, Hole, Node, Text


class Cursor:
    """A place in a sequence of nodes; `nested` inside a block's branch."""

    def __init__(self, nodes: tuple[Node, ...], *, nested: bool) -> None:
        self.nodes, self.nested = nodes, nested
        self.node, self.at = 0, 0

    def peek(self) -> "str | Hole | Block | Assignment | None":
        """The next character or node; None at the end."""
        while self.node < len(self.nodes):
            node = self.nodes[self.node]
            if not isinstance(node, Text):
                return node
            if self.at < len(node.text):
                return node.text[self.at]
            self.node, self.at = self.node + 1, 0
        return None

    def skip(self) -> None:
        """Leaves the character or node behind that `peek` showed."""
        if isinstance(self.nodes[self.node], Text):
            self.at += 1
        else:
            self.node, self.at = self.node + 1, 0

    def take(self, pattern: re.Pattern[str]) -> str:
        """The text that the pattern matches here; empty where it does not."""
        node = self.nodes[self.node] if self.peek() is not None else None
        match = pattern.match(node.text, self.at) if isinstance(node, Text) else None
        self.at += len(match.group()) if match else 0
        return match.group() if match else ""

    def starts_with(self, word: str) -> bool:
        """Whether the text goes on with a word."""
        node = self.nodes[self.node] if self.peek() is not None else None
        return isinstance(node, Text) and node.text.startswith(word, self.at)

    @property
    def offset(self) -> int:
        """Where this stands in the whole text."""
        if self.peek() is None:
            last = self.nodes[-1] if self.nodes else None
            return last.offset + len(last.text) if isinstance(last, Text) else last.offset if last else 0
        node = self.nodes[self.node]
        return node.offset + self.at if isinstance(node, Text) else node.offset
