/**
 * Base images of a Dockerfile as a registry's remote build finds them before it builds: ARGs above the first FROM are
 * expanded once, and not in each other (Azure/acr-builder 90b22f3 of 2026-07-24, scan/dependencies.go). `docker build`
 * expands them in each other, so a build here does not show the difference.
 */

/** What a reference to an image may look like: registry and path, then a tag, a digest or both. */
const REFERENCE =
  /^[a-z0-9]([\w.-]*[a-z0-9])?(:\d+)?(\/[a-z0-9]([\w.-]*[a-z0-9])?)*(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/i;

/** Names with what is not a usable reference, in words. `args` are the build arguments that are given. */
export function baseImages(dockerfile, args = {}) {
  const lines = dockerfile.replaceAll(/\\\r?\n/g, ' ').split(/\r?\n/);
  const given = new Map();
  const stages = new Set();
  const images = [];
  let first = true;
  for (const line of lines) {
    const arg = /^\s*ARG\s+(\w+)(?:=(.*))?$/i.exec(line);
    if (arg && first) given.set(arg[1], args[arg[1]] ?? (arg[2] ?? '').replaceAll(/^["']|["']$/g, ''));
    const from = /^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?\s*$/i.exec(line);
    if (!from) continue;
    first = false;
    const image = from[1].replaceAll(/\$\{(\w+)\}|\$(\w+)/g, (text, a, b) => given.get(a ?? b) ?? text);
    if (!stages.has(image) && image !== 'scratch') images.push(image);
    if (from[2] !== undefined) stages.add(from[2]);
  }
  const trouble = images
    .filter((image) => !REFERENCE.test(image))
    .map((image) => `${image} is not the name of an image once ARGs are expanded: give its ARG a flat default`);
  return { images, trouble };
}
