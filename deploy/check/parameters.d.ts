/** The values of a parameter file once variables are filled in. @throws Error that names the parameter */
export function fillParameters(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>>;
