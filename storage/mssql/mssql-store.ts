import { FleetscoreError } from '../../domain/errors.ts';
import type { Store } from '../store.ts';

export async function openMssqlStore(_url: string): Promise<Store> {
  throw new FleetscoreError('STORE_ERROR', 'This build cannot open SQL Server yet. Use sqlite:PATH.');
}
