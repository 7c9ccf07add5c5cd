/**
 * Moves what the Stream Analytics job has written into the windows of the store, once. Run every minute.
 * usage: FLEETSCORE_SQL_URL=... FLEETSCORE_WINDOW=5s start.js stream-windows
 */
async function main() {
  const { loadConfig } = await import('../../dist/config.js');
  const { connect } = await import('../../dist/storage/mssql/connection.js');
  const { sqlUrl, ingest } = loadConfig();
  const database = await connect(sqlUrl);
  try {
    const [result] = await database.write((transaction) =>
      transaction.query(
        { text: 'EXEC dbo.apply_stream_windows @window_ms = @windowMs', params: { windowMs: 'BIGINT' } },
        { windowMs: ingest.windowMs },
      ),
    );
    process.stdout.write(`${JSON.stringify({ role: 'stream-windows', ...result })}\n`);
  } finally {
    await database.close();
  }
}

await main().catch((error) => {
  process.stderr.write(`stream-windows: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
