/**
 * How severe an alarm is, and what time alone does to one that is active: it becomes more severe, or asks for attention
 * again. Each happens at its own time, however late somebody looks. Pure.
 */
import { raised, type Excursion, type OpenAlarm } from './excursion.ts';
import type { AlarmRule } from './rules.ts';

/** The worst of the steps that hold at a time. */
export function severityAt(
  { severity: steps }: Pick<AlarmRule, 'severity'>,
  { peakScore, sinceMs }: Pick<Excursion, 'peakScore' | 'sinceMs'>,
  atMs: number,
): number {
  return steps.reduce((worst, { severity, score, afterMs }) => {
    const holds = atMs - sinceMs >= afterMs && (score === undefined || (peakScore ?? 0) <= score);
    return holds ? Math.max(worst, severity) : worst;
  }, 0);
}

/** Where no window tells the time: all that happens to an alarm up to `toMs`, each at its own time. */
export function lapsed(alarm: OpenAlarm, rule: Pick<AlarmRule, 'severity' | 'reAlarmMs'>, toMs: number): OpenAlarm {
  let now = alarm;
  const { reAlarmMs } = rule;
  for (;;) {
    const worse = rule.severity
      .filter(({ severity, score }) => severity > now.severity && score === undefined)
      .map(({ afterMs }) => Math.max(now.raisedMs, now.sinceMs + afterMs));
    const worseMs = Math.min(...worse);
    const againMs = reAlarmMs ? now.raisedMs + reAlarmMs : Number.POSITIVE_INFINITY;
    const nextMs = Math.min(worseMs, againMs);
    if (!(nextMs <= toMs)) return now;
    now =
      worseMs <= againMs
        ? raised(now, 'escalated', nextMs, severityAt(rule, now, nextMs))
        : raised(now, 'realarmed', nextMs, now.severity);
  }
}
