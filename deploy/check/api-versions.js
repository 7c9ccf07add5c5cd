/**
 * Versions of the management API that are older than two years: Azure takes them for years, and then no longer. Types
 * of which there is none newer stand in api-versions.json, with where and when that was looked up; those of a preview
 * have no stable version that knows what is asked for.
 */

const YEARS = 2;

/** @param text what names types, as `'Microsoft.Name/type@2026-01-01'` @returns a line for each that is too old */
export function oldVersions(text, { newestThereIs }, today) {
  const limit = new Date(today);
  limit.setUTCFullYear(limit.getUTCFullYear() - YEARS);
  const used = new Map(
    [...text.matchAll(/'(Microsoft\.[\w/.]+)@([\w-]+)'/g)].map(([, type, version]) => [type, version]),
  );
  return [...used]
    .filter(([type, version]) => new Date(version.slice(0, 10)) < limit && newestThereIs[type] !== version)
    .map(([type, version]) => `${type}@${version} is older than two years: look for a newer one in bicep-types-az`);
}
