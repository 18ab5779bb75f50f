// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

static void make_disk(struct disk *disk, const char *name, struct disk_options options,
		      unsigned int default_mib)
{
	if (!options.mib)
		options.mib = default_mib;
	disk_make(disk, name, &options);
}

/* Where a wrapped disk's sectors are. */
struct below {
	const char *path;
	uint64_t offset, sectors;
};

static void table_line(char *text, size_t size, uint64_t from, uint64_t to, const char *type,
		       const struct below *below)
{
	const unsigned long long length = to - from, at_below = below->offset + from;
	size_t at = strlen(text);

	if (from == to)
		return;
	/* dm-flakey: always down, so that what it does to writes it does at once. */
	if (!strncmp(type, "flakey", 6))
		snprintf(text + at, size - at, "%llu %llu flakey %s %llu 0 3600 1 %s\n",
			 (unsigned long long)from, length, below->path, at_below, type + 7);
	else if (!strncmp(type, "delay ", 6))
		snprintf(text + at, size - at, "%llu %llu delay %s %llu %s\n",
			 (unsigned long long)from, length, below->path, at_below, type + 6);
	else if (!strcmp(type, "error"))
		snprintf(text + at, size - at, "%llu %llu error\n", (unsigned long long)from, length);
	else
		snprintf(text + at, size - at, "%llu %llu %s %s %llu\n", (unsigned long long)from,
			 length, type, below->path, at_below);
}

static struct below below(const struct pair *pair, const char *wrapped)
{
	const bool is_main = !strcmp(wrapped, WRAPPED_MAIN);
	const struct disk *disk = is_main ? &pair->main : &pair->spare;

	if (!pair->log.sectors)
		return (struct below){ disk->path, 0, disk->sectors };
	return (struct below){ "/dev/mapper/" LOGGED, is_main ? 0 : pair->main.sectors,
			       disk->sectors };
}

static char *wrap_table(const struct pair *pair, const char *wrapped, const struct place *places,
			unsigned int n)
{
	const struct below disk = below(pair, wrapped);
	const size_t size = 128 * (2 * n + 2);
	char *text = calloc(1, size);
	uint64_t at = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		const uint64_t end = places[i].from + places[i].count;

		table_line(text, size, at, places[i].from, "linear", &disk);
		table_line(text, size, places[i].from, end, places[i].type, &disk);
		at = end;
	}
	table_line(text, size, at, disk.sectors, "linear", &disk);
	return text;
}

void pair_wrap_places(const struct pair *pair, const char *wrapped, const struct place *places,
		      unsigned int n)
{
	char *table = wrap_table(pair, wrapped, places, n);

	assert_int_equal(dm_reload(wrapped, table), 0);
	free(table);
}

void pair_wrap(const struct pair *pair, const char *wrapped, uint64_t from, uint64_t count,
	       const char *type)
{
	pair_wrap_places(pair, wrapped, &(struct place){ from, count, type }, 1);
}

static void wrap(const struct pair *pair, const char *wrapped, char *path, size_t size)
{
	char *table = wrap_table(pair, wrapped, NULL, 0);

	assert_int_equal(dm_create(wrapped, table), 0);
	snprintf(path, size, "/dev/mapper/%s", wrapped);
	free(table);
}

/* One disk for both, so that one log has the order of all writes. */
static void make_logged_disks(struct pair *pair, const struct pair_options *options)
{
	char line[160];

	pair->main.sectors = options->main.mib * 2048;
	pair->spare.sectors = options->spare.mib * 2048;
	disk_make(&pair->below, "below",
		  &(struct disk_options){ .mib = options->main.mib + options->spare.mib });
	disk_make(&pair->log, "log", &(struct disk_options){ .mib = options->log_mib });
	snprintf(line, sizeof(line), "0 %llu log-writes %s %s",
		 (unsigned long long)pair->below.sectors, pair->below.path, pair->log.path);
	assert_int_equal(dm_create(LOGGED, line), 0);
}

void pair_make_disks(struct pair *pair, const struct pair_options *options)
{
	static const struct pair_options defaults;

	if (!options)
		options = &defaults;
	memset(pair, 0, sizeof(*pair));
	pair->oracle.fd = -1;
	if (options->log_mib) {
		make_logged_disks(pair, options);
	} else {
		make_disk(&pair->main, "main", options->main, 64);
		make_disk(&pair->spare, "spare", options->spare, 32);
	}
	pair->length = pair->main.sectors;
	memcpy(pair->main_path, pair->main.path, sizeof(pair->main_path));
	memcpy(pair->spare_path, pair->spare.path, sizeof(pair->spare_path));
	if (options->wrap_main || options->log_mib)
		wrap(pair, WRAPPED_MAIN, pair->main_path, sizeof(pair->main_path));
	if (options->wrap_spare || options->log_mib)
		wrap(pair, WRAPPED_SPARE, pair->spare_path, sizeof(pair->spare_path));
}

void pair_make(struct pair *pair, const struct pair_options *options)
{
	pair_make_disks(pair, options);
	assert_int_equal(pair_open(pair, ""), 0);
}

void pair_end(struct pair *pair)
{
	struct disk *const disks[] = { &pair->main, &pair->spare, &pair->below, &pair->log };
	unsigned int i;

	alarm(0);
	oracle_free(&pair->oracle);
	dm_remove(NAME);
	dm_remove(WRAPPED_MAIN);
	dm_remove(WRAPPED_SPARE);
	dm_remove(LOGGED);
	for (i = 0; i < sizeof(disks) / sizeof(disks[0]); i++)
		if (disks[i]->name[0])
			disk_end(disks[i]);
	memset(pair, 0, sizeof(*pair));
	pair->oracle.fd = -1;
}

const char *pair_table(const struct pair *pair, const char *arguments)
{
	static char table[512];

	snprintf(table, sizeof(table), "0 %llu remap %s %s %s", (unsigned long long)pair->length,
		 pair->main_path, pair->spare_path, arguments);
	return table;
}

int pair_open(struct pair *pair, const char *arguments)
{
	int r = dm_create(NAME, pair_table(pair, arguments));

	if (r)
		return r;
	if (!pair->oracle.acknowledged)
		oracle_open(&pair->oracle, "/dev/mapper/" NAME, pair->length);
	else
		oracle_reopen(&pair->oracle, "/dev/mapper/" NAME);
	return 0;
}

void pair_close(struct pair *pair)
{
	oracle_close(&pair->oracle);
	assert_int_equal(dm_remove(NAME), 0);
}

void pair_reopen(struct pair *pair)
{
	pair_close(pair);
	assert_int_equal(pair_open(pair, ""), 0);
}

struct status pair_status(const struct pair *pair)
{
	unsigned long long lost, sequence, read_errors, write_errors, position, length;
	struct status status = { 0 };
	char text[256];

	assert_int_equal(dm_status(NAME, text, sizeof(text)), 0);
	if (sscanf(text, "%31s %u/%u %llu %llu %u/5 %llu %llu %u %15s %llu/%llu",
		   status.state, &status.used, &status.total, &lost, &sequence, &status.copies,
		   &read_errors, &write_errors, &status.score, status.scan, &position,
		   &length) != 12)
		fail_msg("status is '%s'", text);
	status.lost = lost;
	status.sequence = sequence;
	status.read_errors = read_errors;
	status.write_errors = write_errors;
	status.position = position;
	assert_int_equal(length, pair->length);
	return status;
}

unsigned int pair_list(const struct pair *pair, struct entry **entries)
{
	const size_t size = 1 << 20;
	char *text = malloc(size), *save, *line;
	unsigned int n = 0;

	(void)pair;
	assert_int_equal(dm_message(NAME, "list", text, size), 0);
	*entries = calloc(size / 10, sizeof(**entries));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
		struct entry *entry = &(*entries)[n];
		unsigned long long sector;

		if (sscanf(line, "%llu %u %x %x", &sector, &entry->slot, &entry->spare_mask,
			   &entry->lost_mask) != 4)
			fail_msg("list says '%s'", line);
		entry->sector = sector;
	}
	free(text);
	return n;
}

bool pair_entry(const struct pair *pair, uint64_t sector, struct entry *entry)
{
	struct entry *entries;
	unsigned int n = pair_list(pair, &entries), i;
	bool found = false;

	for (i = 0; i < n && !found; i++) {
		found = entries[i].sector == sector - sector % 8;
		if (found)
			*entry = entries[i];
	}
	free(entries);
	return found;
}

uint64_t pair_stat(const struct pair *pair, const char *name)
{
	char text[4096], *at = text;
	size_t length = strlen(name);

	(void)pair;
	assert_int_equal(dm_message(NAME, "stats", text, sizeof(text)), 0);
	while (at && !(!strncmp(at, name, length) && at[length] == '=')) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		fail_msg("stats lacks %s", name);
	return strtoull(at + length + 1, NULL, 10);
}

bool pair_event_after(const struct pair *pair, uint32_t event_nr)
{
	unsigned int tries;

	(void)pair;
	for (tries = 0; tries < 100 && dm_event_nr(NAME) <= event_nr; tries++)
		usleep(50000);
	return dm_event_nr(NAME) > event_nr;
}

unsigned int pair_repair(const struct pair *pair)
{
	char text[64];
	unsigned int good = 0;

	(void)pair;
	assert_int_equal(dm_message(NAME, "repair", text, sizeof(text)), 0);
	if (sscanf(text, "%u/5", &good) != 1)
		fail_msg("repair answers '%s'", text);
	return good;
}

unsigned int times(void)
{
	/* By the kernel's command line and init. */
	const char *text = getenv("DMR_LONG");

	return text && atoi(text) > 0 ? atoi(text) : 1;
}
