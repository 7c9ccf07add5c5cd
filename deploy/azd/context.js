/** What all steps ask of azd's environment and of the management API. */

export function need(env, name) {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set: run this through azd, after azd provision`);
  return value;
}

/** Calls the management API. @returns the parsed answer, or undefined where there is none */
export async function rest({ az, env }, method, path, body) {
  const host = env.AZURE_RESOURCE_MANAGER ?? 'https://management.azure.com';
  const text = await az(['rest', '--method', method, '--url', `${host}${path}`], body);
  return text.trim() === '' ? undefined : JSON.parse(text);
}
