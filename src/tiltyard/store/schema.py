"""The SQL of each version of the store, one script per version, run by the steps in `migrations.py`.

A script is never edited once released, comments included: a new column is a script of its own at the end of
`VERSIONS`. Names are readable and carry their unit, since other tools read this file too.
"""

from __future__ import annotations

# The measures of `attempts` stand in one line of the table's text, as in the first stores: hence the
# line ends after `\`.
_EVERYTHING = """
CREATE TABLE models (               -- one row per state in which a model was seen
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,    -- hash of the other columns
  name TEXT NOT NULL,
  digest TEXT, architecture TEXT, moe INTEGER, parameters INTEGER, active_parameters INTEGER,
  quantization TEXT, bits_per_weight REAL, context_max INTEGER, context_loaded INTEGER,
  size_bytes INTEGER, vram_bytes INTEGER, loaded INTEGER, capabilities TEXT,
  engine TEXT, engine_version TEXT, path TEXT, remote INTEGER NOT NULL, notes TEXT NOT NULL
);
CREATE TABLE servers (
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,
  dialect TEXT NOT NULL, url TEXT NOT NULL, version TEXT, slots INTEGER,
  loaded TEXT NOT NULL, local INTEGER NOT NULL, notes TEXT NOT NULL
);
CREATE TABLE runs (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  suite TEXT NOT NULL, suite_version TEXT NOT NULL,
  model_id INTEGER NOT NULL REFERENCES models(id),
  server_id INTEGER NOT NULL REFERENCES servers(id),
  settings TEXT NOT NULL, fingerprint TEXT NOT NULL, command TEXT NOT NULL,
  state TEXT NOT NULL,              -- running, finished, interrupted, failed
  started_at TEXT NOT NULL, ended_at TEXT,
  machine TEXT NOT NULL, calibration TEXT, notes TEXT NOT NULL,
  summary TEXT,                     -- the last line of `run --json`, whole
  requests_ok INTEGER, requests_failed INTEGER, requests_truncated INTEGER,
  output_tps REAL, load_ms REAL, client_bound INTEGER,
  score REAL,
  sessions INTEGER NOT NULL DEFAULT 1,  -- sittings: 1 plus the number of resumptions
  owner_pid INTEGER, owner_started REAL, owner_host TEXT, active_at TEXT
);
CREATE INDEX runs_by_fingerprint ON runs(fingerprint, key);
CREATE INDEX runs_by_start ON runs(started_at, key);
CREATE TABLE attempts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_key INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  stage TEXT NOT NULL, item_id TEXT NOT NULL, item_hash TEXT NOT NULL,
  repetition INTEGER NOT NULL, try_no INTEGER NOT NULL, session INTEGER NOT NULL,
  started_at TEXT NOT NULL, client_bound INTEGER NOT NULL,
  ending TEXT,                      -- of the last exchange
  failed_outside INTEGER NOT NULL,  -- 1: not the model's doing; asked again when the run is resumed
  outcome TEXT, score REAL, points REAL, reasons TEXT, rule TEXT,
  queue_ms REAL, connect_ms REAL, ttfb_ms REAL, first_event_ms REAL, ttft_ms REAL, ttfo_ms REAL, \
ttft_scheduled_ms REAL, e2e_ms REAL, e2e_scheduled_ms REAL, close_ms REAL, tail_ms REAL, itl_ms REAL, \
decode_tps REAL, e2e_tps REAL, prefill_tps REAL, prefill_kind TEXT, load_ms REAL, prompt_tokens INTEGER, \
output_tokens INTEGER, cached_tokens INTEGER, reasoning_tokens INTEGER, chunks INTEGER, \
tokens_per_chunk REAL, tokens_source TEXT, rate_source TEXT, rate_bias REAL, server_prefill_tps REAL, \
server_decode_tps REAL, server_ttft_ms REAL, server_total_ms REAL, transport_ms REAL,
  UNIQUE (run_key, stage, item_id, repetition, try_no)
);
CREATE TABLE texts (                -- long or repeated parts of requests, kept once
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  text BLOB NOT NULL                -- UTF-8, zlib
);
CREATE TABLE prompts (              -- what an item asks, once per item content, in its first wording
  item_hash TEXT PRIMARY KEY,
  item_id TEXT NOT NULL,
  text TEXT NOT NULL
);
CREATE TABLE exchanges (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  attempt_id INTEGER NOT NULL REFERENCES attempts(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,          -- 1, 2, ... within the attempt
  request_id TEXT,
  options_id INTEGER NOT NULL REFERENCES texts(id),  -- the request without messages and request_id, JSON
  messages TEXT NOT NULL,           -- JSON; the tail of a long content is in texts
  tails TEXT,                       -- JSON: message index -> texts.id
  ending TEXT NOT NULL, status INTEGER,
  text TEXT NOT NULL, reasoning TEXT NOT NULL, reasoning_source TEXT, tool_calls TEXT,
  finish_reason TEXT, model_served TEXT, engine_version TEXT,
  usage TEXT, timings TEXT, notes TEXT, error TEXT,
  raw BLOB,                         -- the body, zlib, when the ending is not ok
  UNIQUE (attempt_id, number)
);
CREATE TABLE timelines (            -- times in ns of one monotonic clock; add origin_unix_ns for Unix time
  exchange_id INTEGER PRIMARY KEY REFERENCES exchanges(id) ON DELETE CASCADE,
  scheduled_ns INTEGER NOT NULL, started_ns INTEGER NOT NULL, connected_ns INTEGER, reused INTEGER NOT NULL,
  sent_ns INTEGER, headers_ns INTEGER, closed_ns INTEGER, clock TEXT NOT NULL,
  origin_unix_ns INTEGER NOT NULL,
  arrivals BLOB NOT NULL            -- arrivals and events, packed: docs/store.md
);
CREATE TABLE samples (
  run_key INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  t_ns INTEGER NOT NULL, device TEXT NOT NULL,
  utilisation_percent REAL, memory_bytes INTEGER, memory_total_bytes INTEGER,
  power_w REAL, energy_j REAL, temperature_c REAL, clock_mhz REAL
);
CREATE INDEX samples_by_run ON samples(run_key, t_ns);
CREATE TABLE figures (              -- what the summary says, one row per figure; the board reads these
  run_key INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  stage TEXT NOT NULL,              -- '' for the whole run, else where in the summary
  metric TEXT NOT NULL,
  n INTEGER NOT NULL, mean REAL, p50 REAL, p90 REAL, p95 REAL, p99 REAL, min REAL, max REAL,
  ci95_low REAL, ci95_high REAL,
  PRIMARY KEY (run_key, stage, metric)
) WITHOUT ROWID;
CREATE TABLE calibrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  made_at TEXT NOT NULL,
  result TEXT NOT NULL              -- JSON
);

CREATE VIRTUAL TABLE models_fts USING fts5(
  name, architecture, quantization, content='models', content_rowid='id', tokenize='trigram');
CREATE TRIGGER models_inserted AFTER INSERT ON models BEGIN
  INSERT INTO models_fts(rowid, name, architecture, quantization)
  VALUES (new.id, new.name, new.architecture, new.quantization);
END;
CREATE TRIGGER models_deleted AFTER DELETE ON models BEGIN
  INSERT INTO models_fts(models_fts, rowid, name, architecture, quantization)
  VALUES ('delete', old.id, old.name, old.architecture, old.quantization);
END;
CREATE TRIGGER models_updated AFTER UPDATE ON models BEGIN
  INSERT INTO models_fts(models_fts, rowid, name, architecture, quantization)
  VALUES ('delete', old.id, old.name, old.architecture, old.quantization);
  INSERT INTO models_fts(rowid, name, architecture, quantization)
  VALUES (new.id, new.name, new.architecture, new.quantization);
END;

CREATE VIRTUAL TABLE prompts_fts USING fts5(
  text, content='prompts', content_rowid='rowid', tokenize='unicode61', prefix='2 3');
CREATE TRIGGER prompts_inserted AFTER INSERT ON prompts BEGIN
  INSERT INTO prompts_fts(rowid, text) VALUES (new.rowid, new.text);
END;
CREATE TRIGGER prompts_deleted AFTER DELETE ON prompts BEGIN
  INSERT INTO prompts_fts(prompts_fts, rowid, text) VALUES ('delete', old.rowid, old.text);
END;
CREATE TRIGGER prompts_updated AFTER UPDATE ON prompts BEGIN
  INSERT INTO prompts_fts(prompts_fts, rowid, text) VALUES ('delete', old.rowid, old.text);
  INSERT INTO prompts_fts(rowid, text) VALUES (new.rowid, new.text);
END;

-- Answers are indexed when somebody searches, not while a run is being measured. Every exchange up to
-- search_state.indexed_to is in the index (ids only grow, and SQLite has one writer at a time).
CREATE TABLE search_state (one INTEGER PRIMARY KEY CHECK (one = 1), indexed_to INTEGER NOT NULL);
INSERT INTO search_state VALUES (1, 0);
CREATE VIRTUAL TABLE answers_fts USING fts5(
  text, reasoning, content='exchanges', content_rowid='id', tokenize='unicode61', prefix='2 3');
CREATE TRIGGER exchanges_deleted AFTER DELETE ON exchanges
WHEN old.id <= (SELECT indexed_to FROM search_state) BEGIN
  INSERT INTO answers_fts(answers_fts, rowid, text, reasoning)
  VALUES ('delete', old.id, old.text, old.reasoning);
END;
CREATE TRIGGER exchanges_updated AFTER UPDATE OF text, reasoning ON exchanges
WHEN old.id <= (SELECT indexed_to FROM search_state) BEGIN
  INSERT INTO answers_fts(answers_fts, rowid, text, reasoning)
  VALUES ('delete', old.id, old.text, old.reasoning);
  INSERT INTO answers_fts(rowid, text, reasoning) VALUES (new.id, new.text, new.reasoning);
END;
"""

_GRADED = """
ALTER TABLE attempts ADD COLUMN details TEXT; -- JSON, by the suite's own names
ALTER TABLE exchanges ADD COLUMN logprobs TEXT; -- JSON
"""

_SCORED = """
ALTER TABLE runs ADD COLUMN item_set TEXT; -- hash of the items that were to be asked
ALTER TABLE runs ADD COLUMN score_n INTEGER;
ALTER TABLE runs ADD COLUMN score_low REAL;
ALTER TABLE runs ADD COLUMN score_high REAL;
ALTER TABLE runs ADD COLUMN score_completed REAL;
ALTER TABLE runs ADD COLUMN cap_hit REAL; -- share of the answers that hit the token limit
ALTER TABLE runs ADD COLUMN ci_method TEXT;
ALTER TABLE runs ADD COLUMN outcomes TEXT; -- JSON
CREATE TABLE item_sets (            -- the items that a run scored, for all runs that scored the same
  hash TEXT PRIMARY KEY,
  keys BLOB NOT NULL                -- 64-bit little-endian, ascending: docs/store.md
) WITHOUT ROWID;
CREATE TABLE verdicts (             -- what they scored in one run
  run_key INTEGER PRIMARY KEY REFERENCES runs(key) ON DELETE CASCADE,
  items TEXT NOT NULL REFERENCES item_sets(hash),
  n INTEGER NOT NULL,
  scores BLOB NOT NULL
);
CREATE INDEX verdicts_by_items ON verdicts(items);
"""

_FORGETFUL = """
ALTER TABLE runs ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
"""

_LOADS = ""  # only values: what a speed run asked, in `item_set`

_WAYS = ""  # only values: how a graded run asked, in `item_set`

_LATE_PROMPTS = """
-- Prompts too are indexed when somebody searches. They are named by their hash: a row number is another's
-- once the last row is deleted, or once a dump is read back.
CREATE TABLE IF NOT EXISTS prompts_new (  -- not in the index yet
  item_hash TEXT PRIMARY KEY
) WITHOUT ROWID;
DROP TRIGGER prompts_inserted;
CREATE TRIGGER prompts_inserted AFTER INSERT ON prompts BEGIN
  INSERT INTO prompts_new VALUES (new.item_hash);
END;
DROP TRIGGER prompts_deleted;
CREATE TRIGGER prompts_deleted AFTER DELETE ON prompts BEGIN
  INSERT INTO prompts_fts(prompts_fts, rowid, text) SELECT 'delete', old.rowid, old.text
  WHERE NOT EXISTS (SELECT 1 FROM prompts_new WHERE item_hash = old.item_hash);
  DELETE FROM prompts_new WHERE item_hash = old.item_hash;
END;
DROP TRIGGER prompts_updated;
CREATE TRIGGER prompts_updated AFTER UPDATE OF text ON prompts
WHEN NOT EXISTS (SELECT 1 FROM prompts_new WHERE item_hash = old.item_hash) BEGIN
  INSERT INTO prompts_fts(prompts_fts, rowid, text) VALUES ('delete', old.rowid, old.text);
  INSERT INTO prompts_fts(rowid, text) VALUES (new.rowid, new.text);
END;
"""

VERSIONS = (_EVERYTHING, _GRADED, _SCORED, _FORGETFUL, _LOADS, _WAYS, _LATE_PROMPTS)
