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

static void table_line(char *text, size_t size, uint64_t from, uint64_t to, const char *type,
		       const char *path)
{
	size_t at = strlen(text);

	if (from == to)
		return;
	/* dm-flakey: always down, so that what it does to writes it does at once. */
	if (!strncmp(type, "flakey", 6))
		snprintf(text + at, size - at, "%llu %llu flakey %s %llu 0 3600 1 %s\n",
			 (unsigned long long)from, (unsigned long long)(to - from), path,
			 (unsigned long long)from, type + 7);
	else if (!strcmp(type, "error"))
		snprintf(text + at, size - at, "%llu %llu error\n", (unsigned long long)from,
			 (unsigned long long)(to - from));
	else
		snprintf(text + at, size - at, "%llu %llu %s %s %llu\n", (unsigned long long)from,
			 (unsigned long long)(to - from), type, path, (unsigned long long)from);
}

static const struct disk *disk_under(const struct pair *pair, const char *wrapped)
{
	return strcmp(wrapped, WRAPPED_MAIN) ? &pair->spare : &pair->main;
}

static void wrap_table(const struct pair *pair, const char *wrapped, uint64_t from, uint64_t count,
		       const char *type, char *text, size_t size)
{
	const struct disk *disk = disk_under(pair, wrapped);

	text[0] = 0;
	table_line(text, size, 0, from, "linear", disk->path);
	table_line(text, size, from, from + count, type, disk->path);
	table_line(text, size, from + count, disk->sectors, "linear", disk->path);
}

void pair_wrap(const struct pair *pair, const char *wrapped, uint64_t from, uint64_t count,
	       const char *type)
{
	char table[512];

	wrap_table(pair, wrapped, from, count, type, table, sizeof(table));
	assert_int_equal(dm_reload(wrapped, table), 0);
}

static void wrap(const struct pair *pair, const char *wrapped, char *path, size_t size)
{
	char table[512];

	wrap_table(pair, wrapped, 0, 0, "linear", table, sizeof(table));
	assert_int_equal(dm_create(wrapped, table), 0);
	snprintf(path, size, "/dev/mapper/%s", wrapped);
}

void pair_make_disks(struct pair *pair, const struct pair_options *options)
{
	static const struct pair_options defaults;

	if (!options)
		options = &defaults;
	memset(pair, 0, sizeof(*pair));
	pair->oracle.fd = -1;
	make_disk(&pair->main, "main", options->main, 64);
	make_disk(&pair->spare, "spare", options->spare, 32);
	pair->length = pair->main.sectors;
	memcpy(pair->main_path, pair->main.path, sizeof(pair->main_path));
	memcpy(pair->spare_path, pair->spare.path, sizeof(pair->spare_path));
	if (options->wrap_main)
		wrap(pair, WRAPPED_MAIN, pair->main_path, sizeof(pair->main_path));
	if (options->wrap_spare)
		wrap(pair, WRAPPED_SPARE, pair->spare_path, sizeof(pair->spare_path));
}

void pair_make(struct pair *pair, const struct pair_options *options)
{
	pair_make_disks(pair, options);
	assert_int_equal(pair_open(pair, ""), 0);
}

void pair_end(struct pair *pair)
{
	alarm(0);
	oracle_free(&pair->oracle);
	dm_remove(NAME);
	dm_remove(WRAPPED_MAIN);
	dm_remove(WRAPPED_SPARE);
	if (pair->main.sectors)
		disk_end(&pair->main);
	if (pair->spare.sectors)
		disk_end(&pair->spare);
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
	unsigned long long lost, sequence, read_errors, write_errors;
	struct status status = { 0 };
	char text[256];

	(void)pair;
	assert_int_equal(dm_status(NAME, text, sizeof(text)), 0);
	if (sscanf(text, "%31s %u/%u %llu %llu %u/5 %llu %llu ", status.state, &status.used,
		   &status.total, &lost, &sequence, &status.copies, &read_errors,
		   &write_errors) != 8)
		fail_msg("status is '%s'", text);
	status.lost = lost;
	status.sequence = sequence;
	status.read_errors = read_errors;
	status.write_errors = write_errors;
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
