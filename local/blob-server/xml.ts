/** The little XML that the Blob service speaks: elements out, block lists in. */

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (char) => ESCAPES[char]!);

/** `<name>text</name>`, escaped. Nothing when there is no text. */
export const element = (name: string, text: string | number | undefined): string =>
  text === undefined ? '' : `<${name}>${escapeXml(String(text))}</${name}>`;

export const document = (body: string): string => `<?xml version="1.0" encoding="utf-8"?>${body}`;

export type BlockSource = 'Committed' | 'Uncommitted' | 'Latest';

/** The blocks of a `Put Block List`, in order. */
export function readBlockList(text: string): { readonly from: BlockSource; readonly id: string }[] {
  return [...text.matchAll(/<(Committed|Uncommitted|Latest)>([^<]*)<\/\1>/g)].map((match) => ({
    from: match[1] as BlockSource,
    id: match[2]!.trim(),
  }));
}
