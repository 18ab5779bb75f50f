/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam above the core: what a host may ask of it.
 *
 * An *engine* is the running state of one pair of main and spare: the metadata, the index, the
 * slots. It lives in one arena that the host allocates; the core allocates nothing. It outlives
 * tables: a reload hands it to the next one.
 *
 * Contexts. "Owner": one thread at a time, may sleep, does I/O: the constructor (dmr_engine_probe),
 * preresume (dmr_engine_open), then the repair worker. "Any": any context and any number of threads
 * at once, interrupts included, as long as the engine lives.
 */
#ifndef DM_REMAP_CORE_H
#define DM_REMAP_CORE_H

#include "dm_remap/config.h"
#include "dm_remap/host.h"
#include "dm_remap/route.h"
#include "dm_remap/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Arguments of the table line ------------------------------------------------------------ */

/* Parsed optional arguments. All zero is the default. */
struct dmr_arguments {
	dmr_u8 uuid_given;
	dmr_u8 uuid[DMR_UUID_BYTES];
	dmr_u8 format;
	dmr_u8 adopt_main;
	dmr_u8 accept_single_copy;
	dmr_u8 read_only_metadata;
	dmr_u32 config_given; /* a bit per enum dmr_config */
	dmr_u32 config[DMR_CONFIG_COUNT];
	char label[DMR_LABEL_BYTES]; /* empty: not given */
};

/*
 * Parses what follows main and spare on a table line: nothing, or a count and that many words.
 * Returns NULL, or the reason as a constant sentence; then *bad is the index into @argv of the word
 * at fault (argc if one is missing). Any context.
 */
const char *dmr_arguments_parse(struct dmr_arguments *arguments, dmr_u32 argc,
				const char *const *argv, dmr_u32 *bad);

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and the terminator. */
#define DMR_UUID_TEXT_BYTES 37u
void dmr_uuid_format(const dmr_u8 uuid[DMR_UUID_BYTES], char text[DMR_UUID_TEXT_BYTES]);

/* ---- Devices -------------------------------------------------------------------------------- */

/* What the two devices are. Sectors of 512 bytes throughout. */
struct dmr_geometry {
	dmr_u64 main_sectors;          /* the whole main device */
	dmr_u64 spare_sectors;         /* the whole spare device */
	dmr_u64 target_sectors;        /* length of the table line, from main's sector 0 */
	dmr_u32 main_logical_sectors;  /* a logical block of main, in sectors: 1, 2, 4, 8 */
	dmr_u32 spare_logical_sectors;
};

/* What tells one main from another. Absent fields are zero-filled; absent is not different. */
#define DMR_UNIQUE_ID_BYTES 64u
#define DMR_PARTITION_UUID_BYTES 40u
struct dmr_main_identity {
	dmr_u8 unique_id[DMR_UNIQUE_ID_BYTES];            /* WWID or NVMe id, as the driver gives it */
	dmr_u8 partition_uuid[DMR_PARTITION_UUID_BYTES];  /* text, if main is a partition */
};

/* ---- Refusals ------------------------------------------------------------------------------- */

/* Why a pair is not opened. */
enum dmr_refusal {
	DMR_ACCEPTED,
	DMR_REFUSED_GEOMETRY_LOGICAL_BLOCK, /* spare's logical block larger than main's, or over 4096 */
	DMR_REFUSED_MAIN_TOO_LARGE,
	DMR_REFUSED_TARGET_TOO_LONG,        /* longer than main */
	DMR_REFUSED_SPARE_TOO_SMALL,
	DMR_REFUSED_UNREADABLE,             /* the spare's metadata area can't be read */
	DMR_REFUSED_FOREIGN,                /* something else is on the spare */
	DMR_REFUSED_DAMAGED,                /* our metadata, below the open quorum */
	DMR_REFUSED_SINGLE_COPY,            /* one header verifies: needs accept_single_copy */
	DMR_REFUSED_FORK,                   /* two states of one sequence, two votes each */
	DMR_REFUSED_VERSION,                /* metadata of a format version that we don't know */
	DMR_REFUSED_OTHER_MAIN,             /* the fingerprint is another main's */
	DMR_REFUSED_MAIN_CHANGED,           /* a running pair's main has another size or logical block */
	DMR_REFUSED_OTHER_PAIR,             /* `uuid` names another pair */
	DMR_REFUSED_BLANK_WITH_UUID,        /* `uuid` names a pair and the spare is blank */
	DMR_REFUSED_FORMAT_IN_USE,          /* `format` on a running pair, or one with slots in use */
	DMR_REFUSED_FORMAT_FAILED,          /* the new metadata can't be made durable */
	DMR_REFUSED_READ_ONLY,              /* needs a write to the spare and may not write */
};

/* What was found on the spare, for the message that a refusal or an opening prints. */
struct dmr_report {
	enum dmr_refusal refusal;
	dmr_u8 will_format;              /* probe: opening would make a new pair */
	dmr_u8 headers_valid;            /* copies whose header verifies */
	dmr_u8 votes;                    /* copies with the winning header */
	dmr_u8 found_uuid[DMR_UUID_BYTES];
	dmr_u64 found_sequence;
	dmr_u64 found_main_sectors;
};

/* "what was found; which option would go on", a constant sentence. Any context. */
const char *dmr_refusal_text(enum dmr_refusal refusal);

/* ---- Engine: life --------------------------------------------------------------------------- */

struct dmr_engine;

/* DMR_ACCEPTED, or the refusal that needs no look at the spare's contents. Any context. */
enum dmr_refusal dmr_geometry_check(const struct dmr_geometry *geometry);
/* Bytes of the arena, for a geometry that was accepted: at most 16 per slot and 64 KiB. */
dmr_size dmr_engine_arena_bytes(const struct dmr_geometry *geometry);
/* Makes an engine in @arena (page aligned, zeroed, of that size). Does no I/O. It needs no
 * destruction: when nobody uses it any more the host frees the arena. */
struct dmr_engine *dmr_engine_init(void *arena, const struct dmr_geometry *geometry,
				   const struct dmr_main_identity *identity, struct dmr_host *host);

/* Reads the spare and says whether dmr_engine_open would refuse. Writes nothing to disk, leaves
 * the engine as it was. Owner. */
enum dmr_refusal dmr_engine_probe(struct dmr_engine *engine, const struct dmr_arguments *arguments,
				  struct dmr_report *report);
/*
 * Opens the pair: formats a blank spare, or loads the winning state and commits it again unless
 * all five copies agree. With @read_only nothing is written to the spare. Owner, no I/O routed yet.
 * After a refusal it may be called again.
 */
enum dmr_refusal dmr_engine_open(struct dmr_engine *engine, const struct dmr_arguments *arguments,
				 int read_only, struct dmr_report *report);
/* A reload of the same pair: may the running engine serve a table with these arguments? Then its
 * label, if given, is taken over, and committed if it changed. Owner, while suspended. @geometry
 * may differ in target_sectors only. */
enum dmr_refusal dmr_engine_adopt(struct dmr_engine *engine, const struct dmr_geometry *geometry,
				  const struct dmr_arguments *arguments, int read_only);
/* The same question without changing anything: for the constructor of the next table. Any. */
enum dmr_refusal dmr_engine_adoptable(const struct dmr_engine *engine,
				      const struct dmr_geometry *geometry,
				      const struct dmr_arguments *arguments);
/* Commits lasting counters if they changed and the last commit is ten minutes old. Owner; called
 * when the target is suspended. */
void dmr_engine_settle(struct dmr_engine *engine);

/* ---- Engine: I/O ---------------------------------------------------------------------------- */

/* The bitmap of dmr_all_on_main(). Stays the same for the engine's life. Any. */
struct dmr_region_map dmr_engine_regions(const struct dmr_engine *engine);

enum dmr_place_kind {
	DMR_PLACE_MAIN,   /* pass on to main */
	DMR_PLACE_SPARE,  /* pass on to the spare */
	DMR_PLACE_ERROR,  /* end with EIO, touch no disk */
	DMR_PLACE_WORKER, /* park, and hand to dmr_engine_recover() */
	DMR_PLACE_NONE,   /* a discard of sectors that are not on main: end with success */
};

enum dmr_direction { DMR_READ, DMR_WRITE, DMR_DISCARD };

struct dmr_place {
	enum dmr_place_kind kind;
	dmr_u64 sector;  /* on that device */
	dmr_u32 sectors; /* how many from the first on go there: 1 to what was asked */
	dmr_u8 verify;   /* of a write to main: when it has gone well, with FUA, park it to be read back */
};

/*
 * Where the first of these sectors is, and how many that follow are there too. Any; the caller has
 * entered the drain's count before and leaves it when the I/O has ended or is parked.
 */
void dmr_route(const struct dmr_engine *engine, dmr_u64 sector, dmr_u32 sectors,
	       enum dmr_direction direction, struct dmr_place *place);

/* An I/O to @device failed with @sts. True if the worker shall try to mend it: park it.
 * @failfast: the submitter asked for no recovery (REQ_FAILFAST_*, REQ_RAHEAD). Counts it. Any. */
int dmr_engine_failed(struct dmr_engine *engine, enum dmr_device device,
		      enum dmr_direction direction, enum dmr_sts sts, int failfast);
/* True if a failure of this kind that is passed up must reach the application as EIO: medium
 * failures, whatever code the driver gave. Any. */
int dmr_sts_is_medium(enum dmr_sts sts);

/*
 * Makes each write of the list so, or ends it with an error, and mends a piece of the first read,
 * so that reads which hang hold up no write for longer than that. Calls dmr_host_complete() once
 * for each request that has come to its end; returns the others, to be given again behind those
 * that have arrived since. Owner (the repair worker).
 */
struct dmr_request *dmr_engine_recover(struct dmr_engine *engine, struct dmr_request *list);

/* ---- Engine: the spare's flushes ------------------------------------------------------------ */

/* A write to the spare completed, well or not. Any. */
void dmr_spare_written(struct dmr_engine *engine);

enum dmr_flush_action {
	DMR_FLUSH_SKIP,  /* nothing was written since a flush that went well: end with success */
	DMR_FLUSH_ISSUE, /* pass on, then call dmr_spare_flush_end with *ticket */
	DMR_FLUSH_FAIL,  /* an earlier flush of the spare failed: end with EIO */
};
enum dmr_flush_action dmr_spare_flush_begin(struct dmr_engine *engine, dmr_u64 *ticket); /* Any. */
void dmr_spare_flush_end(struct dmr_engine *engine, dmr_u64 ticket, enum dmr_sts sts);   /* Any. */

/* ---- Engine: the scanner --------------------------------------------------------------------- */

/*
 * One step of the scanner: at most one read, through dmr_host_scan_read(). Returns how many
 * microseconds may pass until the next one; after a command, after a change of configuration and when
 * dmr_scan_wanted() says so it wants to be called at once. By one thread at a time, the scan worker, which
 * may sleep; not while the target is suspended.
 */
dmr_u64 dmr_scan_step(struct dmr_engine *engine);
/* Whether something has happened since the last step that bears on what the scanner does, or on main's
 * health, so that a step is due now. Any. */
int dmr_scan_wanted(const struct dmr_engine *engine);
/* Whether the scanner has found something for dmr_engine_mend_found(). Any. */
int dmr_scan_found(const struct dmr_engine *engine);
/* Looks at the next thing that the scanner found, and mends it. True if there was one: call again,
 * after requests that have arrived since. Owner (the repair worker). */
int dmr_engine_mend_found(struct dmr_engine *engine);

enum dmr_scan_command {
	DMR_SCAN_START,  /* scan_enabled becomes 1, and a pass is made now, or the present one is hurried */
	DMR_SCAN_STOP,   /* scan_enabled becomes 0 */
	DMR_SCAN_PAUSE,  /* until DMR_SCAN_RESUME, or DMR_SCAN_START */
	DMR_SCAN_RESUME,
};
/* Whether @text is start, stop, pause or resume: then *command is set. Any. */
int dmr_scan_command_parse(const char *text, enum dmr_scan_command *command);
/* False if there is nothing to be done: pause or resume of a scanner that is off, anything of one
 * that can't be on. Any. */
int dmr_scan_control(struct dmr_engine *engine, enum dmr_scan_command command);

enum dmr_scan_state {
	DMR_SCAN_IDLE,    /* ahead of its time */
	DMR_SCAN_RUNNING,
	DMR_SCAN_PAUSED,  /* by message, or because main has failed */
	DMR_SCAN_OFF,
};
const char *dmr_scan_state_name(enum dmr_scan_state state); /* Any. */

/* ---- Engine: messages and status ------------------------------------------------------------ */

enum dmr_job_kind {
	DMR_JOB_REMAP,  /* move these blocks to slots; what can't be read of them is lost */
	DMR_JOB_UNMAP,  /* move these blocks back to main, unless sectors of them are lost */
	DMR_JOB_RETEST, /* read lost sectors again; what reads moves to the slot */
};

enum dmr_message_kind {
	DMR_MESSAGE_LIST,
	DMR_MESSAGE_STATS,
	DMR_MESSAGE_REPAIR,
	DMR_MESSAGE_REMAP,
	DMR_MESSAGE_UNMAP,
	DMR_MESSAGE_RETEST,
	DMR_MESSAGE_RESUME_REMAP,
	DMR_MESSAGE_SCAN,
};

struct dmr_message {
	enum dmr_message_kind kind;
	dmr_u64 from;  /* sectors of the target, within it; of those that take a range */
	dmr_u64 count; /* 1 or more, but for DMR_MESSAGE_LIST */
	enum dmr_scan_command scan; /* of DMR_MESSAGE_SCAN */
};

/* Parses the words of a message to a target of so many sectors. Returns NULL, or the reason as a
 * constant text to follow the message's name. Any context. */
const char *dmr_message_parse(struct dmr_message *message, dmr_u64 target_sectors, dmr_u32 argc,
			      const char *const *argv);

/* A changing message. The host fills in kind and range (sectors of the target, within it) and zeroes
 * the rest. */
struct dmr_job {
	enum dmr_job_kind kind;
	dmr_u64 from;
	dmr_u64 count; /* 1 or more */
	dmr_u64 next;  /* the core's cursor */
	dmr_u64 done;   /* blocks that are as they were asked to be */
	dmr_u64 failed; /* blocks that are not */
	dmr_u64 lost;   /* sectors in those blocks that are lost or dead now */
};
/* Does the next block of @job. True while there is more to do: call again, after requests that
 * have arrived since. Owner (the repair worker). */
int dmr_engine_job(struct dmr_engine *engine, struct dmr_job *job);
/* What is set. Any. */
dmr_u32 dmr_engine_config(const struct dmr_engine *engine, enum dmr_config config);
/* Sets it while the target lives, in effect at once; lasts until the next table. The value is one
 * that dmr_config_parse() gave. Any. */
void dmr_engine_config_set(struct dmr_engine *engine, enum dmr_config config, dmr_u32 value);
/* Leaves main_failed. Any. */
void dmr_engine_resume_remap(struct dmr_engine *engine);

/* Verifies the five copies and commits the present state anew; leaves metadata_ro if 4 hold.
 * Returns the number of good copies. Owner. */
dmr_u32 dmr_engine_repair(struct dmr_engine *engine);

enum dmr_state {
	DMR_STATE_INACTIVE,
	DMR_STATE_MAIN_FAILED,
	DMR_STATE_METADATA_RO,
	DMR_STATE_SPARE_FULL,
	DMR_STATE_DEGRADED,
	DMR_STATE_OK,
};
const char *dmr_state_name(enum dmr_state state); /* Any. */

/* How main is doing; worse is higher. docs/HEALTH.md. */
enum dmr_health {
	DMR_HEALTH_HEALTHY,
	DMR_HEALTH_WATCH,
	DMR_HEALTH_FAILING,
	DMR_HEALTH_FAILED,
};
const char *dmr_health_name(enum dmr_health health); /* Any. */
enum dmr_trend {
	DMR_TREND_IMPROVING,
	DMR_TREND_STABLE,
	DMR_TREND_WORSENING,
};
const char *dmr_trend_name(enum dmr_trend trend); /* Any. */

/* How a copy of the metadata is. */
enum dmr_copy {
	DMR_COPY_GOOD,
	DMR_COPY_STALE,   /* whole, but older */
	DMR_COPY_DAMAGED, /* or unreadable */
};
const char *dmr_copy_name(enum dmr_copy copy); /* Any. */

struct dmr_status {
	enum dmr_state state;
	dmr_u32 slots_used;
	dmr_u32 slots_total;
	dmr_u32 slots_retired;
	dmr_u64 lost_sectors;
	dmr_u64 sequence;
	dmr_u32 good_copies;
	dmr_u8 copies[DMR_COPIES]; /* enum dmr_copy */
	dmr_u64 main_read_errors;  /* lasting */
	dmr_u64 main_write_errors; /* lasting */
	dmr_u64 remaps;            /* lasting: blocks that got a slot */
	dmr_u64 lost;              /* lasting: sectors that were lost */
	dmr_u64 salvaged;          /* lasting: lost sectors that were read after all */
	dmr_u64 commits;           /* lasting */
	dmr_u64 repairs;           /* lasting: copies rewritten because they were not good */
	enum dmr_health health;
	dmr_u32 score;             /* 0 to 100 */
	enum dmr_trend trend;
	dmr_i64 exhaustion_hours;  /* until the spare is full; -1: not in sight */
	dmr_u64 slow_reads;        /* blocks that were found slow, since the pair was opened */
	dmr_u64 retries;           /* reads that went well only when tried again, likewise */
	enum dmr_scan_state scan_state;
	dmr_u64 scan_position;     /* sector of the target */
	dmr_u64 scan_passes;       /* lasting */
	dmr_u64 scan_errors;       /* reads that failed as the medium does, since opened */
	dmr_u32 overhead_ppm;      /* the scanner's share of main's time in the last minute */
	dmr_u64 expected_pass_hours;
	dmr_u64 arena_bytes;
	dmr_u8 uuid[DMR_UUID_BYTES];
	char label[DMR_LABEL_BYTES];
	dmr_u8 read_only_metadata;
	dmr_u32 config[DMR_CONFIG_COUNT];
};
/* A snapshot; numbers may be of slightly different moments. Any. Before the engine is open all is
 * zero and the state is DMR_STATE_INACTIVE. */
void dmr_engine_status(const struct dmr_engine *engine, struct dmr_status *status);

struct dmr_list_entry {
	dmr_u64 sector; /* first of the block */
	dmr_u32 slot;
	dmr_u8 spare_mask;
	dmr_u8 lost_mask;
};
/* Writes up to @capacity redirected blocks of target sectors [from, from + count) to @entries,
 * unsorted; returns how many there are. Any. */
dmr_u32 dmr_engine_list(const struct dmr_engine *engine, dmr_u64 from, dmr_u64 count,
			struct dmr_list_entry *entries, dmr_u32 capacity);

#ifdef __cplusplus
}
#endif

#endif
