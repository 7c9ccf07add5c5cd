/** Which store a text names, in words for people: the file, or server and database. Nothing of a login is in it. */
export function storeName(url: string): string {
  const text = url.trim();
  if (/^sqlite:/i.test(text)) return text.slice('sqlite:'.length).replace(/^\/\/(?=\/|[A-Za-z]:)/, '');
  if (URL.canParse(text)) {
    const { hostname, pathname } = new URL(text);
    return `SQL Server ${hostname}, database ${pathname.slice(1)}`;
  }
  const part = (names: string): string =>
    new RegExp(`(?:^|;)\\s*(?:${names})\\s*=\\s*([^;]*)`, 'i').exec(text)?.[1]?.trim() ?? 'unknown';
  return `SQL Server ${part('server|data source')}, database ${part('database|initial catalog')}`;
}
