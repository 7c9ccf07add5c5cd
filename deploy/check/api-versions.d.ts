/** A line for each version that is older than two years although there may be a newer one. */
export function oldVersions(
  text: string,
  known: { readonly newestThereIs: Readonly<Record<string, string>> },
  today: string | Date,
): string[];
