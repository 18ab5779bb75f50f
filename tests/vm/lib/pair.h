/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What most tests begin with: a main, a spare, and a target of the two with an oracle on it.
 */
#ifndef VM_PAIR_H
#define VM_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "disk.h"
#include "dm.h"
#include "pattern.h"
#include "spare.h"

#define NAME "target"
/* With these, main's (or the spare's) sectors can be made to fail in other ways; see pair_wrap(). */
#define WRAPPED_MAIN "wrapped_main"
#define WRAPPED_SPARE "wrapped_spare"
/* With `log_mib`, what both wrapped disks lie on: see write_log.h. */
#define LOGGED "logged"

struct pair {
	struct disk main, spare;
	struct disk below, log; /* with `log_mib`: main and spare are the halves of the first */
	/* What the table names: the disks, or what lies over them. */
	char main_path[64], spare_path[64];
	uint64_t length; /* of the target: main's */
	struct oracle oracle;
};

struct pair_options {
	struct disk_options main, spare; /* mib 0: 64 and 32 MiB */
	bool wrap_main, wrap_spare;      /* a dm device over it, linear at first */
	unsigned int log_mib;            /* both wrapped, and every write to them logged in one log */
};

struct status {
	char state[32];
	uint32_t used, total;
	uint64_t lost, sequence;
	uint32_t copies;
	uint64_t read_errors, write_errors;
	unsigned int score;
	char scan[16];
	uint64_t position;
};

struct entry {
	uint64_t sector;
	uint32_t slot;
	unsigned int spare_mask, lost_mask;
};

/* The disks only. */
void pair_make_disks(struct pair *pair, const struct pair_options *options);
/* Disks, target and oracle; fails the test if that can't be. */
void pair_make(struct pair *pair, const struct pair_options *options);
/* Also what is left of a test that failed half way. */
void pair_end(struct pair *pair);

/* "0 <length> remap <main> <spare>[ <arguments>]", good until the next call. */
const char *pair_table(const struct pair *pair, const char *arguments);
/* Creates the target; 0 or a negative errno. Then opens the oracle's file on it. */
int pair_open(struct pair *pair, const char *arguments);
/* Closes and removes it. */
void pair_close(struct pair *pair);
/* Closes, removes and opens again, which must succeed. */
void pair_reopen(struct pair *pair);

struct status pair_status(const struct pair *pair);
/* What `list` says; the number of entries. free(*entries). */
unsigned int pair_list(const struct pair *pair, struct entry **entries);
/* The entry of the block that @sector is in; false if it has none. */
bool pair_entry(const struct pair *pair, uint64_t sector, struct entry *entry);
/* A field of `stats`. */
uint64_t pair_stat(const struct pair *pair, const char *name);
/* Whether there was an event after number @event_nr, or is within some seconds. */
bool pair_event_after(const struct pair *pair, uint32_t event_nr);
/* Sends `repair`: the good copies. */
unsigned int pair_repair(const struct pair *pair);

/*
 * Makes a wrapped disk's sectors [from, from + count) another target: "error" (nothing works),
 * "flakey error_writes", "flakey drop_writes" or "delay <milliseconds>". The rest is linear; all of it with count 0.
 */
void pair_wrap(const struct pair *pair, const char *wrapped, uint64_t from, uint64_t count,
	       const char *type);
/* The same with many such places, in order and apart. */
struct place {
	uint64_t from, count;
	const char *type;
};
void pair_wrap_places(const struct pair *pair, const char *wrapped, const struct place *places,
		      unsigned int n);

/* LONG of make vm-test, or 1: what is random, or goes on for a time, does so as many times. */
unsigned int times(void);

/* Ends the program if the test takes longer, or LONG times as long: for what would hang otherwise. */
#define WITHIN_SECONDS(seconds) alarm((seconds) * times())

/* end_of_test() is the program's teardown: pair_end() of what it made. */
#define CASE(name) cmocka_unit_test_teardown(name, end_of_test)

#endif
