"""What MkDocs does besides: pages of the project that lie outside of docs/, and links to them.

On GitHub, links lead to files of the repository. In the site, they lead to the page of that
file, and those to files that have no page, such as code, become plain text.
"""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]

PAGES = {
    "weights/README.md": "weights.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    **{
        path.relative_to(ROOT).as_posix(): f"datasets/{path.parent.name}.md"
        for path in ROOT.glob("datasets/*/README.md")
    },
}
"""File of the repository -> page of the site."""

_LINK = re.compile(r"\[([^\]]*)\]\((?!https?://|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files, config):
    """Adds the pages."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=os.fspath(ROOT / source)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Leads links to pages of the site."""
    sources = {page: source for source, page in PAGES.items()}
    folder = posixpath.dirname(sources.get(page.file.src_uri, f"docs/{page.file.src_uri}"))

    def lead(link):
        text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        uri = PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(uri) is None:
            return text
        start = posixpath.dirname(page.file.src_uri)
        return f"[{text}]({posixpath.relpath(uri, start or '.')}{anchor or ''})"

    return _LINK.sub(lead, markdown)
