/** Base images of a Dockerfile with ARGs expanded once, and what is wrong with them. */
export function baseImages(
  dockerfile: string,
  args?: Readonly<Record<string, string>>,
): { readonly images: readonly string[]; readonly trouble: readonly string[] };
