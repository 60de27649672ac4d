"""Markup of the report. No script, style or picture comes from anywhere else."""

from __future__ import annotations

from string import Template

PAGE = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>LD-RPS Restore: hot folder</title>
<style>
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --bad: #c33; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; overflow-wrap: anywhere } h3 { font-size: 1rem }
section { border-top: 1px solid var(--line); margin-top: 2rem }
.counts { display: flex; flex-wrap: wrap; gap: .5rem }
.counts div { background: var(--soft); border-radius: .4rem; padding: .4rem .8rem }
.counts b { font-size: 1.2rem } .counts .failed b { color: var(--bad) }
.cards { display: grid; gap: 1rem; grid-auto-flow: dense;
 grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)) }
.card { border: 1px solid var(--line); border-radius: .5rem; overflow: hidden }
.card dl { margin: .6rem .8rem; display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem }
.card dt { opacity: .7 } .card dd { margin: 0; overflow-wrap: anywhere }
.both { position: relative; --at: 50%; background: var(--soft) }
.both img { display: block; width: 100%; height: 15rem; object-fit: contain }
.both .before { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--at)) 0 0) }
.both i { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px;
 background: #fff; box-shadow: 0 0 3px #000; pointer-events: none }
.both span { position: absolute; bottom: .4rem; padding: .05rem .4rem; border-radius: .3rem;
 background: #000a; color: #fff; font-size: .8rem; pointer-events: none }
.both span.l { left: .4rem } .both span.r { right: .4rem }
.both input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
 cursor: ew-resize }
.both input:focus-visible { opacity: .25 }
.both button { position: absolute; top: .4rem; right: .4rem; border: 0; border-radius: .3rem;
 background: #000a; color: #fff; font: inherit; font-size: .8rem; cursor: pointer }
.large { grid-column: 1 / -1 } .large .both img { height: 80vh }
.none { height: 15rem; display: grid; place-items: center; background: var(--soft); opacity: .7 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3rem .6rem; border-top: 1px solid var(--line);
 overflow-wrap: anywhere; vertical-align: top }
td:last-child { white-space: nowrap }
</style>
<h1>Hot folder, as of $when</h1>
$folders
<script>
for (const input of document.querySelectorAll(".both input"))
  input.addEventListener("input", () =>
    input.parentElement.style.setProperty("--at", input.value + "%"));
for (const button of document.querySelectorAll(".both button"))
  button.addEventListener("click", () => {
    const large = button.closest(".card").classList.toggle("large");
    button.textContent = large ? "smaller" : "larger";
    button.scrollIntoView({block: "nearest"});
  });
</script>
</html>
""")

FOLDER = Template("""\
<section>
<h2>$name</h2>
<p>$now</p>
<div class="counts">$counts</div>
<p>Working time in all: $took.</p>
<h3>Restored</h3>
<div class="cards">$cards</div>
$more
<h3>Failed</h3>
<table><tr><th>photo<th>why<th>when</tr>$failures</table>
<h3>Skipped</h3>
<table><tr><th>photo<th>diagnosis<th>when</tr>$skipped</table>
$skipped_more
</section>
""")

CARD = Template("""\
<article class="card">$slider
<dl><dt>photo<dd>$name<dt>result<dd>$output<dt>diagnosis<dd>$words<dt>measured<dd>$figures
<dt>recipe<dd>$recipe<dt>took<dd>$seconds<dt>when<dd>$when</dl>
</article>
""")

SLIDER = Template("""\
<div class="both"><img alt="after: $name" src="$after">
<img class="before" alt="before: $name" src="$before"><i></i>
<span class="l">before</span><span class="r">after</span>
<input type="range" min="0" max="100" value="50" aria-label="before and after of $name">
<button type="button">larger</button></div>
""")

FAILURE = Template("<tr><td>$name<td>$message<td>$when</tr>\n")
