// SPDX-License-Identifier: GPL-2.0
/*
 * Writes through the target until the machine is reset, and finds every byte after it.
 *   reset_io check         makes the target, reads everything, repairs, and removes it
 *   reset_io write         makes the target and writes for ever
 * Main's middle fails. A journal on a third drive says of each write that it was begun, and that it
 * was acknowledged; a write that was only begun may or may not be there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dm.h"
#include "pattern.h"
#include "spare.h"

#define MAIN "/dev/vda"
#define SPARE "/dev/vdb"
#define JOURNAL "/dev/vdc"
#define MAIN_SECTORS (512 * 2048)

#define NAME "target"
#define PATH "/dev/mapper/" NAME
#define AREA 32768 /* sectors that are written; the second half of them is bad */
#define WRITES_MAX 20000
#define CHUNK 64

enum { NOT_BEGUN, BEGUN, ACKNOWLEDGED };

static void die(const char *what, int error)
{
	printf("FAILED: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static void make_target(void)
{
	char table[512];
	int r;

	snprintf(table, sizeof(table), "0 %u linear %s 0\n%u %u error\n%u %u linear %s %u\n",
		 AREA / 2, MAIN, AREA / 2, AREA / 2, AREA, MAIN_SECTORS - AREA, MAIN, AREA);
	r = dm_create("bad_main", table);
	if (r)
		die("cannot make a bad main", r);
	snprintf(table, sizeof(table), "0 %u remap /dev/mapper/bad_main %s", MAIN_SECTORS, SPARE);
	r = dm_create(NAME, table);
	if (r)
		die("cannot make the target", r);
}

static void remove_target(void)
{
	if (dm_remove(NAME) || dm_remove("bad_main"))
		die("cannot remove the target", EBUSY);
}

/* Where write @n goes: all over the area, and often where it was before. */
static void place_of(uint32_t n, uint64_t *sector, uint32_t *count)
{
	unsigned int seed = n * 7919;

	*count = 1 + rand_r(&seed) % 48;
	*sector = rand_r(&seed) % (AREA - *count);
	if (n % 2)
		*sector = AREA / 2 - 64 + *sector % 2048;
}

static unsigned char *read_journal(void)
{
	unsigned char *journal = malloc(WRITES_MAX + SECTOR);
	uint32_t sectors = WRITES_MAX / SECTOR + 1;

	if (io_read(JOURNAL, 0, journal, sectors))
		die("cannot read the journal", EIO);
	return journal;
}

/* One by one: what was never acknowledged in the bad half has nothing to be read. */
static int wrong_sectors(struct oracle *oracle, uint64_t sector)
{
	const uint64_t end = sector + CHUNK;
	int wrong = 0;

	for (; sector < end; sector++) {
		int r = oracle_read(oracle, sector, 1);

		if (r == -EIO && sector >= AREA / 2 && !oracle->acknowledged[sector])
			continue;
		if (r < 0)
			printf("sector %llu: %s\n", (unsigned long long)sector, strerror(-r));
		wrong += !!r;
	}
	return wrong;
}

static void check(void)
{
	unsigned char *journal = read_journal();
	struct oracle oracle;
	uint32_t n, i, count, acknowledged = 0, begun = 0;
	uint64_t sector;
	int wrong = 0;

	printf("%d copies whole before\n", spare_copies(SPARE, NULL));
	make_target();
	oracle_open(&oracle, PATH, AREA);
	for (n = 0; n < WRITES_MAX; n++) {
		if (journal[n] == NOT_BEGUN)
			continue;
		begun++;
		acknowledged += journal[n] == ACKNOWLEDGED;
		place_of(n, &sector, &count);
		for (i = 0; i < count; i++) {
			oracle.issued[sector + i] = n + 1;
			if (journal[n] == ACKNOWLEDGED)
				oracle.acknowledged[sector + i] = n + 1;
		}
	}
	printf("%u writes begun, %u acknowledged\n", begun, acknowledged);
	for (sector = 0; sector < AREA; sector += CHUNK)
		if (oracle_read(&oracle, sector, CHUNK))
			wrong += wrong_sectors(&oracle, sector);
	if (wrong)
		die("sectors are wrong", EIO);
	if (!spare_copies_equal(SPARE))
		die("the copies differ", EUCLEAN);
	oracle_free(&oracle);
	free(journal);
	remove_target();
}

static void note(int journal_fd, unsigned char *journal, uint32_t n, unsigned char state)
{
	char *sector = io_buffer(SECTOR);
	uint32_t at = n / SECTOR * SECTOR;

	journal[n] = state;
	memcpy(sector, journal + at, SECTOR);
	if (pwrite(journal_fd, sector, SECTOR, at) != SECTOR)
		die("cannot write the journal", errno);
	free(sector);
}

static void write_for_ever(void)
{
	unsigned char *journal = read_journal();
	int journal_fd = open(JOURNAL, O_RDWR | O_DIRECT), fd;
	uint32_t n, i, count;
	uint64_t sector;
	char *data = io_buffer(64 * SECTOR);

	make_target();
	fd = open(PATH, O_RDWR | O_DIRECT);
	for (n = 0; n < WRITES_MAX; n++) {
		if (journal[n] != NOT_BEGUN)
			continue;
		place_of(n, &sector, &count);
		for (i = 0; i < count; i++)
			pattern_fill(data + i * SECTOR, sector + i, n + 1);
		note(journal_fd, journal, n, BEGUN);
		if (pwrite(fd, data, count * SECTOR, sector * SECTOR) != (ssize_t)count * SECTOR)
			die("a write failed", errno);
		note(journal_fd, journal, n, ACKNOWLEDGED);
	}
	die("all was written before the reset", ETIME);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	dm_setup();
	if (argc == 2 && !strcmp(argv[1], "check"))
		check();
	else if (argc == 2 && !strcmp(argv[1], "write"))
		write_for_ever();
	else
		die("reset_io check|write", EINVAL);
	return 0;
}
