/** Search and filters over a list of alarms: a form that works without a script. Pure. */
import { ALARM_KINDS } from '../../domain/alarm.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { stateOf, type AlarmQuery } from '../look/alarms.ts';
import { kindWord } from './alarm-rows.ts';

const STATES = [
  ['open', 'Open'],
  ['active', 'Still going on'],
  ['unacked', 'Not acknowledged'],
  ['shelved', 'Shelved'],
  ['all', 'All, ended too'],
] as const;

export function alarmTools(query: AlarmQuery): Markup {
  const state = stateOf(query.state);
  const option = (value: string, text: string, chosen: boolean): Markup =>
    html`<option value="${value}"${chosen && html` selected`}>${text}</option>`;
  return html`
    <form class="tools filter" role="search" aria-label="Alarms" method="get">
      <label class="sr" for="q">Device or sensor</label>
      <input id="q" name="q" type="search" value="${query.q ?? ''}" placeholder="Device or sensor" autocomplete="off" spellcheck="false">
      <label class="sr" for="state">State</label>
      <select id="state" name="state">${STATES.map(([value, text]) => option(value, text, value === state))}</select>
      <label class="sr" for="kind">Kind</label>
      <select id="kind" name="kind">
        ${option('', 'All kinds', !query.kind)}
        ${ALARM_KINDS.map((kind) => option(kind, kindWord(kind), kind === query.kind))}
      </select>
      ${query.sort !== undefined && html`<input type="hidden" name="sort" value="${query.sort}">`}
      <button>Show</button>
    </form>`;
}
