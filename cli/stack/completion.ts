/**
 * `fleetscore completion SHELL` and the hidden command behind its scripts. Names come from the store of this folder,
 * within a second; where there is none, or it does not answer, nothing is offered and nothing is said.
 */
import type { Command } from 'commander';
import { sensorName } from '../../domain/sensor.ts';
import type { Store } from '../../storage/store.ts';
import type { Output } from '../frame/command.ts';
import { COMPLETE, possibleWords, type NameKind, type Possible } from '../frame/complete-words.ts';
import type { Context } from '../frame/context.ts';

/** Said in place of words where the shell is to offer files. */
const FILES = ':files';
const ANSWER_MS = 1_000;
/** Names offered at the most, and sensors read for them. */
const MOST = 500;
const READ = 20_000;

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# fleetscore in bash. Now: eval "$(fleetscore completion bash)"; for ever: put that line into ~/.bashrc
_fleetscore() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = '${FILES}' ]; then compopt -o default; return; fi
    case "$line" in */) compopt -o nospace ;; esac
    COMPREPLY+=("$(printf '%q' "$line")")
  done < <(fleetscore ${COMPLETE} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _fleetscore fleetscore`,
  zsh: `# fleetscore in zsh. Now: eval "$(fleetscore completion zsh)"; for ever: that line in ~/.zshrc, after compinit
_fleetscore() {
  local -a lines
  lines=("\${(@f)$(fleetscore ${COMPLETE} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "$lines[1]" == '${FILES}' ]]; then _files; else compadd -S '' -- $lines; fi
}
compdef _fleetscore fleetscore`,
  fish: `# fleetscore in fish. Now: fleetscore completion fish | source; for ever: that line in config.fish
function __fleetscore_complete
  set -l words (commandline -opc) (commandline -ct)
  set -e words[1]
  set -l lines (fleetscore ${COMPLETE} -- $words 2>/dev/null)
  if test "$lines[1]" = '${FILES}'
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $lines
  end
end
complete -c fleetscore -f -a '(__fleetscore_complete)'`,
};

export async function completion(_: Context, __: object, shell: string): Promise<Output> {
  const script = SCRIPTS[shell]!;
  return { data: { shell, script }, text: script };
}

/** @param words those after the name of the program; the last is the one being typed */
export async function complete(context: Context, program: Command, words: readonly string[]): Promise<Output> {
  const typed = words.at(-1) ?? '';
  const possible = possibleWords(program, words);
  if (possible.kind === 'files') return { data: { files: true }, text: FILES };
  const all = possible.kind === 'words' ? possible.words : await namesOf(context, possible, typed);
  const fitting = [...new Set(all)].filter((word) => word.startsWith(typed)).slice(0, MOST);
  return { data: { words: fitting }, text: fitting.join('\n') };
}

async function namesOf(context: Context, possible: Possible, typed: string): Promise<readonly string[]> {
  if (possible.kind !== 'names') return [];
  const late = new Promise<readonly string[]>((resolve) => setTimeout(() => resolve([]), ANSWER_MS).unref());
  const found = context.store().then((store) => namesIn(store, possible.of, typed));
  // No store, or one that is in trouble: there is nothing to offer.
  return Promise.race([found.catch(() => []), late]);
}

async function namesIn(store: Store, kind: NameKind, typed: string): Promise<readonly string[]> {
  switch (kind) {
    case 'alarm':
      // Those that wait for somebody, the newest first.
      return (await store.listAlarms({ retain: true, limit: MOST })).map(({ id }) => id);
    case 'batch':
      return (await store.listBatches({ limit: MOST })).map(({ id }) => id);
    case 'schedule':
      return (await store.listBatches({ limit: MOST })).flatMap(({ schedule }) => schedule ?? []);
    case 'release':
      return (await store.listReleases()).map(({ name }) => name);
    case 'device':
      return (await store.listSensors({ limit: READ })).map(({ device }) => device);
    case 'device/sensor': {
      const device = typed.includes('/') ? decodeURIComponent(typed.slice(0, typed.indexOf('/'))) : undefined;
      if (device !== undefined) return (await store.listSensors({ device, limit: MOST })).map(sensorName);
      // Devices first: a fleet has thousands of sensors.
      return (await store.listSensors({ limit: READ })).map((sensor) => sensorName({ ...sensor, sensor: '' }));
    }
  }
}
