/**
 * The parameter file as azd fills it in: ${NAME} and ${NAME=DEFAULT} are replaced in the JSON text of each parameter
 * without escaping (Azure/azure-dev ae35809 of 2026-08-21, bicep_provider.go, loadParameters with drone/envsubst), so a
 * value with a line break or a quotation mark breaks it.
 */

/**
 * @throws Error that names the parameter whose value breaks the JSON, or a variable that has neither value nor default
 */
export function fillParameters(text, env) {
  const { parameters } = JSON.parse(text);
  const filled = {};
  for (const [name, parameter] of Object.entries(parameters)) {
    const json = JSON.stringify(parameter).replaceAll(/\$\{(\w+)(=([^}]*))?\}/g, (_, variable, given, preset) => {
      const value = env[variable] || undefined;
      if (value === undefined && given === undefined)
        throw new Error(`parameter ${name}: ${variable} has no value and no default`);
      return value ?? preset;
    });
    try {
      filled[name] = JSON.parse(json).value;
    } catch {
      throw new Error(
        `parameter ${name}: the value of its variable breaks the JSON (a line break or a quotation mark)`,
      );
    }
  }
  return filled;
}
