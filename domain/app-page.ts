/** Addresses of pages of the web application, for those who come from elsewhere: Temporal's Web UI, a notice. Pure. */

/** @param appUrl where people open the application, with or without a path and a slash at its end */
export function appPage(appUrl: string, ...path: readonly [kind: 'batches' | 'alarms', id: string]): string {
  return `${appUrl.replace(/\/+$/, '')}/${path.map(encodeURIComponent).join('/')}`;
}
