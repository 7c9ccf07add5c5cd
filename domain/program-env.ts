/**
 * The environment of programs that are not ours (Python, pip, the Temporal server): a list of what they need,
 * so that no setting of ours, and no secret of anybody, goes along by being forgotten.
 */
type Env = Readonly<Record<string, string | undefined>>;

/** What programs of others need to run at all, on every system. */
const PROGRAM =
  /^(PATH|PATHEXT|HOME|HOMEDRIVE|HOMEPATH|USER|USERNAME|USERPROFILE|LOGNAME|SHELL|COMSPEC|LANG|LANGUAGE|LC_\w+|TZ|TERM|TMPDIR|TMP|TEMP|SYSTEMROOT|SYSTEMDRIVE|WINDIR|APPDATA|LOCALAPPDATA|PROGRAMDATA|PROGRAMFILES(\(X86\))?|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|XDG_\w+)$/i;
/** And to fetch packages: proxies, mirrors, certificates. Addresses of proxies and mirrors may hold a password. */
const INSTALLER =
  /^(HTTPS?_PROXY|ALL_PROXY|NO_PROXY|FTP_PROXY|PIP_\w+|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NETRC)$/i;

const only = (env: Env, allowed: (name: string) => boolean): Env =>
  Object.fromEntries(Object.entries(env).filter(([name]) => allowed(name)));

/** The variables that a program of others gets: none of ours, no secret. */
export const programEnv = (env: Env): Env => only(env, (name) => PROGRAM.test(name));

/** The same, with what a package installer needs. */
export const installerEnv = (env: Env): Env => only(env, (name) => PROGRAM.test(name) || INSTALLER.test(name));
