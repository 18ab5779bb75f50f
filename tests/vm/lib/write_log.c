// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm.h"
#include "pattern.h"
#include "write_log.h"

#define LOG_MAGIC 0x6a736677736872ull

/* The log: a sector that describes it, then for each write one that describes it, and its data. */
struct log_super {
	uint64_t magic, version, records;
	uint32_t sector_bytes;
};

struct log_head {
	uint64_t sector, sectors, flags, data_bytes;
	char data[]; /* of a mark */
};

void write_log_mark(const char *name, unsigned int number)
{
	char text[32];

	snprintf(text, sizeof(text), "mark %u", number);
	if (dm_message(name, text, NULL, 0))
		abort();
}

static void read_sectors(const char *path, uint64_t sector, void *data, uint32_t count)
{
	if (io_read(path, sector, data, count))
		abort();
}

/* The record at @at; where the next one is. */
static uint64_t read_record(const char *path, uint64_t at, struct log_record *record)
{
	char sector[SECTOR + 1] = { 0 };
	const struct log_head *head = (const struct log_head *)sector;

	read_sectors(path, at++, sector, 1);
	memset(record, 0, sizeof(*record));
	record->flags = le64toh(head->flags);
	record->sector = le64toh(head->sector);
	if (record->flags & LOG_MARK) {
		record->mark = strtoul(head->data, NULL, 10);
		return at;
	}
	record->sectors = record->flags & LOG_DISCARD ? 0 : le64toh(head->sectors);
	if (!record->sectors)
		return at;
	record->data = malloc(record->sectors * SECTOR);
	read_sectors(path, at, record->data, record->sectors);
	return at + record->sectors;
}

struct log_record *write_log_read(const char *path, unsigned int *n)
{
	char sector[SECTOR];
	const struct log_super *super = (const struct log_super *)sector;
	struct log_record *records;
	uint64_t at = 1;
	unsigned int i;

	read_sectors(path, 0, sector, 1);
	if (le64toh(super->magic) != LOG_MAGIC || le32toh(super->sector_bytes) != SECTOR)
		abort();
	*n = le64toh(super->records);
	records = calloc(*n + 1, sizeof(*records));
	for (i = 0; i < *n; i++)
		at = read_record(path, at, &records[i]);
	return records;
}

void write_log_free(struct log_record *records, unsigned int n)
{
	while (n)
		free(records[--n].data);
	free(records);
}
