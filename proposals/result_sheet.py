"""A result as one page of its own, to read or to print on A4: every sentence, every value function. Pure.

What people wrote is escaped; the page loads nothing and runs nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from masterplan.formats import moment
from masterplan.language import N_, translator
from masterplan.place import place
from proposals.criteria import THEME_NAMES, Gate, Scored
from proposals.curves import plot
from proposals.explaining import VERDICT_WORDS, Teller
from proposals.submitting import Outcome

_STYLE = """
@page { size: A4; margin: 16mm 15mm 18mm; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #23211c; background: #fff; max-width: 190mm;
  margin: 0 auto; padding: 24px 16px 40px; overflow-wrap: anywhere; }
h1 { font-size: 1.45em; margin: .2em 0; } h2 { font-size: 1.15em; margin: 1.4em 0 .3em; break-after: avoid; }
.quiet { color: #5a564c; font-size: .87em; } .total { font-size: 1.15em; font-weight: 600; }
.notice { border-left: 3px solid #b07a10; background: #fdf3d8; padding: 6px 10px; font-size: .87em; }
.one { break-inside: avoid; padding: 8px 0; border-top: 1px solid #d5d1c5; display: flex; gap: 14px;
  align-items: flex-start; flex-wrap: wrap; }
.one > div { flex: 1 1 300px; min-width: 0; } .one p { margin: 0; }
.one img { flex: none; max-width: 100%; height: auto; }
.verdict { font-weight: 600; } .verdict::before { content: attr(data-mark) " "; }
@media print { body { font-size: 10.5pt; padding: 0; max-width: none; } .notice { print-color-adjust: exact; }
  .one img { width: 62mm; } .one > div { flex-basis: 90mm; } }
"""
#: Beside each verdict's word: never the colour alone.
_MARKS = {"fail": "✕", "person": "?", "note": "i", "not_assessed": "–", "pass": "✓"}


def sheet(outcome: Outcome, telling: Teller, now: datetime | None = None) -> str:
    """The page, as HTML; gates first, then each criterion with its value function."""
    language = telling.language
    translate, here = translator(language), place()
    submitted = translate(N_("Submitted on {when}")).format(when=moment(outcome.created_at, language))
    printed = translate(N_("As of {when}")).format(when=moment(now or datetime.now(UTC), language))
    facts = " · ".join((outcome.receipt, translate(THEME_NAMES[outcome.theme]), submitted, printed))
    score = outcome.score
    body = [
        f'<p class="quiet">{escape(here.text("plan_name", language))}</p>',
        f"<h1>{escape(outcome.title)}</h1>",
        f'<p class="quiet">{escape(facts)}</p>',
    ]
    if score is None:
        not_yet = translate(N_("Not measured yet. Come back in a minute: the result appears here."))
        body.append(f"<p>{escape(not_yet)}</p>")
    else:
        told = telling.outcome(score.total, score.coverage, score.recommendation)
        criteria = outcome.criteria.title[language]
        body += [
            f'<p class="total">{escape(told)}</p>',
            f'<p class="quiet">{escape(criteria)} ({escape(outcome.criteria.version)})</p>',
            *(f"<p><strong>{escape(said)}</strong></p>" for said in [telling.overruled(score.results)] if said),
            f"<h2>{escape(translate(N_('Gates')))}</h2>", *_gates(outcome, telling),
            f"<h2>{escape(translate(N_('Scored criteria')))}</h2>", *_scored(outcome, telling),
        ]  # fmt: skip
        if any(result.get("indicative") for result in score.results.values()):
            body.insert(3, f'<p class="notice">{escape(here.text("indicative", language))}</p>')
    body.append(f'<p class="quiet">{escape(here.text("disclaimer", language))}</p>')
    title = escape(f"{outcome.receipt} · {outcome.title}")
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"/>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"/><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main>{''.join(body)}</main></body></html>"
    )


def _gates(outcome: Outcome, telling: Teller) -> list[str]:
    """Those to act on first."""
    results, order = outcome.score.results, list(_MARKS)
    asked = sorted((gate for gate in outcome.criteria.gates if gate.key in results),
                   key=lambda gate: order.index(results[gate.key]["verdict"]))  # fmt: skip
    return [_gate(gate, results[gate.key], telling) for gate in asked]


def _gate(gate: Gate, result: dict, telling: Teller) -> str:
    verdict, language = result["verdict"], telling.language
    translate = translator(language)
    remedy = ""
    if verdict in ("fail", "person"):
        to_do = f"{translate(N_('What you can do:'))} {gate.remedy[language]}"
        remedy = f'<p class="quiet">{escape(to_do)}</p>'
    word = escape(translate(VERDICT_WORDS[verdict]))
    return (
        f'<div class="one"><div><p class="verdict" data-mark="{_MARKS[verdict]}">{word}</p>'
        f"<p>{escape(telling.sentence(gate, result))}</p>{remedy}</div></div>"
    )


def _scored(outcome: Outcome, telling: Teller) -> list[str]:
    results = outcome.score.results
    found = []
    for criterion in outcome.criteria.weighted:
        if criterion.key in results:
            result = results[criterion.key]
            drawn = plot(criterion, result, telling.language) if isinstance(criterion, Scored) else None
            image = drawn.image if drawn else ""
            told = escape(telling.sentence(criterion, result))
            found.append(f'<div class="one"><div><p>{told}</p></div>{image}</div>')
    return found
