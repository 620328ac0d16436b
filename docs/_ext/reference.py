"""The reference of the code, and the links between equations and the functions that compute them.

``{api} PACKAGE`` lists a package's modules. A docstring's citation, ``probe.md, equation 7``, is a
link to that equation; and every cited page ends with a list of what cites it.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sources import CITATION, PACKAGES, ROOT, Member, modules
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_INLINE = re.compile(r"``(.+?)``|`([^`]+?)`|" + CITATION.pattern)


def anchor(name: str) -> str:
    """The id of a member."""
    return name.replace(".", "-").replace("_", "-").lower()


class Api(Directive):
    """``{api} PACKAGE``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A section for each module."""
        env: BuildEnvironment = self.state.document.settings.env
        return [self._section(env, module) for module in modules(self.arguments[0])]

    def _section(self, env: BuildEnvironment, module: Member) -> nodes.section:
        section = nodes.section(ids=[anchor(module.name)], names=[module.name])
        section += nodes.title("", module.name)
        section += prose(env, module.doc)
        _label(env, module.name)
        listed = nodes.definition_list()
        for member in module.members:
            listed += _definition(env, member)
        if module.members:
            section += listed
        return section


def _definition(env: BuildEnvironment, member: Member) -> nodes.definition_list_item:
    short = member.name.rsplit(".", 1)[1]
    term = nodes.term("", "", ids=[anchor(member.name)], classes=["signature"])
    term += nodes.strong("", f"class {short}" if member.kind == "class" else short)
    term += nodes.literal("", member.signature)
    body = nodes.definition("", *prose(env, member.doc))
    if member.members:
        inner = nodes.definition_list()
        for each in member.members:
            inner += _definition(env, each)
        body += inner
    _label(env, member.name)
    return nodes.definition_list_item("", term, body)


def _label(env: BuildEnvironment, name: str) -> None:
    domain = env.get_domain("std")
    domain.anonlabels[f"api-{name}"] = (env.docname, anchor(name))
    domain.labels[f"api-{name}"] = (env.docname, anchor(name), name)


def prose(env: BuildEnvironment, doc: str) -> list[nodes.Node]:
    """Paragraphs of running text; lines that are indented, or hang, are shown as they stand."""
    found: list[nodes.Node] = []
    for block in re.split(r"\n\s*\n", doc.strip("\n")):
        lines = block.splitlines()
        if any(line.startswith(" ") for line in lines) or block.startswith((">>>", "|")):
            literal = nodes.literal_block("", "", language="none", classes=["docstring"])
            literal += inline(env, block)
            found.append(literal)
        else:
            found.append(nodes.paragraph("", "", *inline(env, " ".join(lines))))
    return found


def inline(env: BuildEnvironment, text: str) -> list[nodes.Node]:
    """Text with its code in code and its citations as links."""
    found: list[nodes.Node] = []
    at = 0
    for match in _INLINE.finditer(text):
        found.append(nodes.Text(text[at : match.start()]))
        at = match.end()
        code, page = match[1] or match[2], match[3]
        found.append(nodes.literal("", code) if code else _citation(env, match[0], page, match[4]))
    found.append(nodes.Text(text[at:]))
    return found


def _citation(env: BuildEnvironment, text: str, page: str, number: str | None) -> nodes.Node:
    where = next(
        (d for d in (f"theory/{page}", page) if (ROOT / "docs" / f"{d}.md").exists()), None
    )
    if where is None:
        return nodes.Text(text)
    return addnodes.pending_xref(
        "",
        nodes.inline("", text),
        refdomain="std",
        reftype="ref" if number else "doc",
        reftarget=f"{page}-equation-{number}" if number else f"/{where}",
        refexplicit=True,
        refwarn=False,
        refdoc=env.docname,
    )


def cited_by(page: str) -> dict[str, list[str]]:
    """{equation number, or "": [dotted names]} of what cites a page."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for module in modules(package):
            for member in module.walk():
                for cited, number in member.citations():
                    if cited == page:
                        names = found.setdefault(number or "", [])
                        names += [member.name] * (member.name not in names)
    return found


def append_citations(app: Sphinx, docname: str, source: list[str]) -> None:
    """A section at the end of every cited page: what computes its equations."""
    found = cited_by(docname.split("/")[-1])
    if not docname.startswith("theory/") or not found:
        return
    lines = ["", "", "## Computed by", ""]
    order = sorted(found, key=lambda n: (int(re.sub(r"\D", "", n) or 0), n))
    for number in order:
        links = ", ".join(f"[{name}](#api-{name})" for name in found[number])
        start = f"- [({number})](#equation-{number})" if number else "- the page as a whole"
        lines.append(f"{start}: {links}")
    source[0] += "\n".join(lines) + "\n"


def resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.Element
) -> nodes.Node | None:
    """Links ``#api-NAME`` and ``#equation-N`` of Markdown, which myst leaves to us."""
    target = node.get("reftarget", "").lstrip("#")
    if target.startswith("equation-"):
        return nodes.reference("", "", *content.children, internal=True, refid=target)
    if target.startswith("api-"):
        docname, label = env.get_domain("std").anonlabels[target]
        uri = app.builder.get_relative_uri(node["refdoc"], docname)
        return nodes.reference("", "", *content.children, internal=True, refuri=f"{uri}#{label}")
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """The directive and the links."""
    app.add_directive("api", Api)
    app.connect("source-read", append_citations)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
