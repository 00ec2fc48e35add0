"""The page of a pull request as a forge shows it: prints HTML for the first one of a folder that `tag2pr demo` kept."""

import glob
import html
import json
import subprocess
import sys

from cmarkgfm import github_flavored_markdown_to_html as rendered

lab, style = sys.argv[1:]
with open(glob.glob(f"{lab}/**/pull-requests/*.json", recursive=True)[0], encoding="utf-8") as file:
    pull = json.load(file)["value"]
    pull = pull.get("pull", pull)
repository = glob.glob(f"{lab}/**/HEAD", recursive=True)[0].removesuffix("/HEAD")
diff = subprocess.run(
    ["git", "-C", repository, "diff", "--unified=1", "main", pull["branch"]], capture_output=True, text=True, check=True
).stdout


def row(line: str) -> str:
    if line.startswith("+++ b/"):
        return f"<div><b>{html.escape(line[6:])}</b></div>"
    kind = {"+": "added", "-": "removed", "@": "hunk"}.get(line[:1], "")
    return f'<div class="{kind}">{html.escape(line) or "&nbsp;"}</div>'


lines = [line for line in diff.splitlines() if not line.startswith(("index ", "diff ", "---"))]
print(f"""<!doctype html><meta charset="utf-8"><title>{html.escape(pull["title"])}</title>
<style>{open(style, encoding="utf-8").read()}
html {{ height: 1480px; background: #fff }} body {{ margin: 24px 32px; font-family: sans-serif }}
h1 {{ font-weight: 400; font-size: 26px; margin: 0 0 8px }} h1 span {{ color: #59636e }}
.state {{ background: #1f883d; color: #fff; border-radius: 2em; padding: 5px 12px; font-size: 14px }}
.meta {{ color: #59636e; font-size: 14px; margin-bottom: 20px }} code {{ font-size: 13px }}
.box {{ border: 1px solid #d1d9e0; border-radius: 6px; margin-bottom: 20px }}
.box > header {{ background: #f6f8fa; padding: 8px 16px; font-size: 14px; border-bottom: 1px solid #d1d9e0 }}
.box > .markdown-body {{ padding: 16px; font-size: 14px }}
.diff {{ font: 12px/20px monospace; white-space: pre; overflow: hidden; padding: 8px 0 }} .diff div {{ padding: 0 16px }}
.added {{ background: #dafbe1 }} .removed {{ background: #ffebe9 }} .hunk {{ color: #59636e; background: #ddf4ff }}
</style>
<h1>{html.escape(pull["title"])} <span>#{pull["number"]}</span></h1>
<p class="meta"><span class="state">Open</span>&ensp;<b>tag2pr</b> wants to merge 1 commit into <code>main</code> from
<code>{html.escape(pull["branch"])}</code></p>
<div class="box"><header><b>tag2pr</b> commented</header><div class="markdown-body">{rendered(pull["body"])}</div></div>
<div class="box"><header>Files changed</header><div class="diff">{"".join(map(row, lines))}</div></div>""")
