"""How Sphinx builds these pages: MyST for text, autodoc for the reference, furo for the look."""

import asynctesting

project = "asynctesting"
author = "The asynctesting contributors"
copyright = author
release = version = asynctesting.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "examples"]

html_theme = "furo"
html_title = f"asynctesting {release}"

# A reference that leads nowhere is an error, less those to what other projects document: the
# build reads nothing from the network.
nitpicky = True
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(typing|collections|contextlib|asyncio|unittest|types|contextvars|datetime|dt|re|ssl|ssl_module)\..*",
    ),
    ("py:.*", r"(aiohttp|multidict|yarl)\..*|URL"),
    # Types of ours that are seen in signatures and promised by no name.
    ("py:class", r"(.*\.)?(Mode|Seconds|WallClock|AsyncFixture|_Decorator|Unset|Place)"),
    ("py:class", r"(.*\.)?(Matching|Handler|ASGIApplication|TLSMode|MemoryServer)"),
    ("py:class", r"(Any|Callable|ClassVar|Sequence|type|(.*\.)?_[A-Z])"),
]

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_rtype = False

# Sessions show a prompt and output together; there is nothing to highlight wrongly.
highlight_language = "python"
