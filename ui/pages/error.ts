/** What stands where a page cannot: why, and where to go. Pure. */
import { html } from '../../report/page/markup.ts';
import { barePage } from '../layout.ts';

export function errorPage(title: string, why: string): string {
  return barePage(title, html`<div class="panel none"><p>${why}</p><p><a href="/">To the first page</a></p></div>`);
}
