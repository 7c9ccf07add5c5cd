/** The pool's commands alone, as the program registers them. */
import { Command } from 'commander';
import { registerCost } from '../../cli/cost.ts';
import { registerPool } from '../../cli/pool.ts';

const program = new Command('fleetscore').option('--json').option('--home <dir>');
registerPool(program);
registerCost(program);
await program.parseAsync(process.argv);
