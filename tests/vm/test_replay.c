// SPDX-License-Identifier: GPL-2.0
/*
 * Main and spare as they would be after a power cut at any instant: dm-log-writes tells which writes
 * were stable by then, and in what order they became so. Each such state is opened by the module,
 * and must hold what had been acknowledged as durable.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"
#include "write_log.h"

#define MAIN_MIB 4
#define SPARE_MIB 16
#define AREA 2048 /* sectors of main that are used */
#define PLACES_MAX 12
#define STEPS 40
#define CHUNK 128

/* What is known after a step, which is when its mark is sent. */
struct moment {
	uint32_t durable[AREA]; /* of each sector, the number of the oldest write it may hold */
	uint32_t issued[AREA];  /* and of the newest */
	bool lost[AREA];        /* it may be unreadable */
};

/* The workload. */
static struct pair pair;
static struct oracle *const oracle = &pair.oracle;
static struct place places[PLACES_MAX]; /* of main, that fail; in order */
static unsigned int places_used;
static bool failing[AREA]; /* in one of them */
static bool moved[AREA];   /* in a slot */
static struct moment *moments;
static unsigned int steps, seed;
static char uuid_arguments[64];

/* The replay. */
static struct pair crashed;
static struct disk cow_main, cow_spare;
static const struct moment nothing;

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	dm_remove(NAME);
	dm_remove("state_main");
	dm_remove("state_spare");
	if (cow_main.sectors)
		disk_end(&cow_main);
	if (cow_spare.sectors)
		disk_end(&cow_spare);
	memset(&cow_main, 0, sizeof(cow_main));
	memset(&cow_spare, 0, sizeof(cow_spare));
	pair_end(&crashed);
	free(moments);
	moments = NULL;
	return 0;
}

static uint32_t any(uint32_t below)
{
	return rand_r(&seed) % below;
}

/* ---- The workload ------------------------------------------------------------------------------ */

/*
 * A step has been acknowledged: the mark is sent before anything else, so that what the module does
 * too late lies behind it in the log.
 */
static void note_moment(void)
{
	struct moment *now = &moments[++steps];
	struct entry *entries;
	unsigned int n, i, s;

	write_log_mark(LOGGED, steps);
	n = pair_list(&pair, &entries);
	memcpy(now->durable, moments[steps - 1].durable, sizeof(now->durable));
	memcpy(now->issued, oracle->issued, sizeof(now->issued));
	memset(moved, 0, sizeof(moved));
	for (i = 0; i < n; i++)
		for (s = 0; s < 8; s++) {
			now->lost[entries[i].sector + s] = entries[i].lost_mask >> s & 1;
			moved[entries[i].sector + s] = entries[i].spare_mask >> s & 1;
		}
	free(entries);
}

static void acknowledged_as_durable(uint64_t sector, uint32_t count)
{
	memcpy(moments[steps].durable + sector, oracle->acknowledged + sector,
	       count * sizeof(uint32_t));
}

/* Mostly where main fails. */
static uint64_t place_to_go(uint32_t count)
{
	const struct place *place = places_used ? &places[any(places_used)] : NULL;
	const uint64_t near = place && any(4) ? place->from + any(place->count) : any(AREA);

	return near < AREA - count ? near : AREA - count;
}

/* A write is durable by itself if it was asked to be, or main refused it. */
static void write_somewhere(void)
{
	const uint32_t count = 1 + any(40);
	const uint64_t sector = place_to_go(count);
	const bool dsync = any(2);
	bool refused[AREA];
	uint64_t s;

	for (s = sector; s < sector + count; s++)
		refused[s] = failing[s] && !moved[s] && !moments[steps].lost[s];
	assert_int_equal(oracle_write(oracle, sector, count, dsync ? RWF_DSYNC : 0), 0);
	note_moment();
	for (s = sector; s < sector + count; s++)
		if (dsync || refused[s])
			acknowledged_as_durable(s, 1);
}

static void sync_all(void)
{
	assert_int_equal(fdatasync(oracle->fd), 0);
	note_moment();
	acknowledged_as_durable(0, AREA);
}

static void wrap_main(void)
{
	unsigned int i;

	memset(failing, 0, sizeof(failing));
	for (i = 0; i < places_used; i++)
		memset(failing + places[i].from, true, places[i].count);
	pair_wrap_places(&pair, WRAPPED_MAIN, places, places_used);
}

/*
 * Reads fail there as well: dm-flakey, which can fail writes only, fails flushes with them. Each has
 * a twelfth of the area for itself.
 */
static void break_or_mend(void)
{
	const uint64_t share = AREA / PLACES_MAX;
	const uint64_t from = any(PLACES_MAX) * share;
	struct place place = { from + any(share / 2), 1 + any(share / 2), "error" };
	unsigned int i = 0;

	while (i < places_used && places[i].from < from)
		i++;
	if (i < places_used && places[i].from < from + share) {
		memmove(&places[i], &places[i + 1], (--places_used - i) * sizeof(place));
	} else {
		memmove(&places[i + 1], &places[i], (places_used++ - i) * sizeof(place));
		places[i] = place;
	}
	wrap_main();
	note_moment();
}

/* Of the slots that are next, some fail for a while. */
static void break_slots(void)
{
	const uint32_t next = pair_status(&pair).used + any(4);

	pair_wrap(&pair, WRAPPED_SPARE, SLOT_SECTOR(next), 8 * (1 + any(3)), "error");
	write_somewhere();
	pair_wrap(&pair, WRAPPED_SPARE, 0, 0, "linear");
}

static void read_somewhere(void)
{
	const uint32_t count = 1 + any(64);
	const uint64_t sector = place_to_go(count);
	const int r = oracle_read(oracle, sector, count);

	assert_true(r == 0 || r == -EIO);
	note_moment();
}

static void send(const char *message)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %u %u", message,
		 (unsigned int)place_to_go(64), 1 + any(64));
	assert_int_equal(dm_message(NAME, text, NULL, 0), 0);
	note_moment();
}

static void other_step(unsigned int kind)
{
	switch (kind) {
	case 0:
		return send("remap");
	case 1:
		return send("unmap");
	case 2:
		return send("retest");
	case 3:
		pair_repair(&pair);
		return note_moment();
	case 4:
		assert_int_equal(dm_reload(NAME, pair_table(&pair, uuid_arguments)), 0);
		return note_moment();
	default:
		pair_close(&pair);
		assert_int_equal(pair_open(&pair, uuid_arguments), 0);
		return note_moment();
	}
}

static void step(void)
{
	const unsigned int kind = any(20);

	if (kind < 8)
		write_somewhere();
	else if (kind < 9)
		sync_all();
	else if (kind < 13)
		break_or_mend();
	else if (kind == 13)
		break_slots();
	else if (kind < 16)
		read_somewhere();
	else
		other_step(any(6));
}

static void make_logged_pair(void)
{
	char table[256], *uuid;
	unsigned int i;

	pair_make(&pair, &(struct pair_options){ .main.mib = MAIN_MIB, .spare.mib = SPARE_MIB,
						 .log_mib = 64 + 32 * times() });
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	uuid = strstr(table, "uuid ");
	assert_non_null(uuid);
	snprintf(uuid_arguments, sizeof(uuid_arguments), "2 uuid %.36s", uuid + 5);
	moments = calloc(2 + STEPS * times() + 1, sizeof(*moments));
	note_moment();
	/* So that no sector is as it was made. */
	for (i = 0; i < AREA; i += 512)
		assert_int_equal(oracle_write(oracle, i, 512, RWF_DSYNC), 0);
	note_moment();
	acknowledged_as_durable(0, AREA);
}

static struct log_record *do_work(unsigned int *records)
{
	struct log_record *log;

	make_logged_pair();
	while (steps < 6)
		break_or_mend();
	while (steps < 2 + STEPS * times())
		step();
	printf("%u blocks redirected, %llu sectors lost\n", pair_status(&pair).used,
	       (unsigned long long)pair_status(&pair).lost);
	pair_close(&pair);
	assert_int_equal(dm_remove(WRAPPED_MAIN), 0);
	assert_int_equal(dm_remove(WRAPPED_SPARE), 0);
	assert_int_equal(dm_remove(LOGGED), 0);
	log = write_log_read(pair.log.path, records);
	pair_end(&pair);
	return log;
}

/* ---- The replay -------------------------------------------------------------------------------- */

/* The last write with FUA of each sector of both disks: of which sector of main, and its number. */
static struct {
	uint64_t sector;
	uint32_t number;
} fua[(MAIN_MIB + SPARE_MIB) * 2048];

static void note_fua(const struct log_record *record)
{
	uint64_t i;

	for (i = 0; record->flags & LOG_FUA && i < record->sectors; i++)
		if (!pattern_stamp(record->data + i * SECTOR, &fua[record->sector + i].sector,
				   &fua[record->sector + i].number))
			fua[record->sector + i].number = 0;
}

/*
 * A write with FUA is logged when it ends, and an earlier one to the same sectors perhaps after it,
 * when it is flushed. No disk brings the older bytes back.
 */
static bool is_overtaken(const struct log_record *record, uint64_t i)
{
	const uint64_t at = record->sector + i;
	uint64_t sector;
	uint32_t number;

	return !(record->flags & LOG_FUA) &&
	       pattern_stamp(record->data + i * SECTOR, &sector, &number) &&
	       fua[at].sector == sector && number < fua[at].number;
}

static void put_sectors(const struct log_record *record, uint64_t i, uint32_t count,
			const char *main_path, const char *spare_path)
{
	const bool to_main = record->sector < crashed.main.sectors;
	const uint64_t at = record->sector + i - (to_main ? 0 : crashed.main.sectors);

	if (count)
		assert_int_equal(io_write(to_main ? main_path : spare_path, at,
					  record->data + i * SECTOR, count), 0);
}

/* The sectors of a record that @kept says, or all of them, to the two disks. */
static void apply(const struct log_record *record, const char *main_path, const char *spare_path,
		  const bool *kept)
{
	uint64_t i, from = 0;

	for (i = 0; i < record->sectors; i++) {
		if ((!kept || kept[i]) && !is_overtaken(record, i))
			continue;
		put_sectors(record, from, i - from, main_path, spare_path);
		from = i + 1;
	}
	put_sectors(record, from, i - from, main_path, spare_path);
}

static void make_state(const char *name, const struct disk *disk, const struct disk *cow)
{
	char table[160];

	snprintf(table, sizeof(table), "0 %llu snapshot %s %s N 8",
		 (unsigned long long)disk->sectors, disk->path, cow->path);
	assert_int_equal(dm_create(name, table), 0);
}

static void make_crashed_disks(void)
{
	const struct disk_options cow = { .mib = 8 };

	pair_make_disks(&crashed, &(struct pair_options){ .main.mib = MAIN_MIB,
							  .spare.mib = SPARE_MIB });
	disk_make(&cow_main, "cow_main", &cow);
	disk_make(&cow_spare, "cow_spare", &cow);
	strcpy(crashed.main_path, "/dev/mapper/state_main");
	strcpy(crashed.spare_path, "/dev/mapper/state_spare");
}

static bool sector_is_possible(const void *data, uint64_t s, const struct moment *then,
			       const struct moment *next)
{
	const int64_t number = pattern_number(data, s);

	if (number >= then->durable[s] && number <= next->issued[s])
		return true;
	printf("sector %llu reads as %lld, not %u to %u\n", (unsigned long long)s,
	       (long long)number, then->durable[s], next->issued[s]);
	return false;
}

/* The wrong sectors among these; reads that fail are made again one by one. */
static unsigned int wrong_sectors(uint64_t sector, uint32_t count, const struct moment *then,
				  const struct moment *next)
{
	char *data = io_buffer(count * SECTOR);
	unsigned int wrong = 0;
	uint32_t i;

	if (pread(crashed.oracle.fd, data, count * SECTOR, sector * SECTOR) ==
	    (ssize_t)count * SECTOR) {
		for (i = 0; i < count; i++)
			wrong += !sector_is_possible(data + i * SECTOR, sector + i, then, next);
	} else if (count > 1) {
		for (i = 0; i < count; i++)
			wrong += wrong_sectors(sector + i, 1, then, next);
	} else if (!then->lost[sector] && !next->lost[sector]) {
		printf("sector %llu: %s\n", (unsigned long long)sector, strerror(errno));
		wrong = 1;
	}
	free(data);
	return wrong;
}

/*
 * Opens what is on the crashed disks, with these records half done, after mark @mark; both disks are
 * as before afterwards.
 */
static void check_state(const struct log_record *torn, unsigned int torn_records, unsigned int mark)
{
	const struct moment *then = mark ? &moments[mark] : &nothing;
	const struct moment *next = mark < steps ? &moments[mark + 1] : then;
	unsigned int wrong = 0, i;
	uint64_t s;

	make_state("state_main", &crashed.main, &cow_main);
	make_state("state_spare", &crashed.spare, &cow_spare);
	for (i = 0; i < torn_records; i++) {
		bool *kept = calloc(torn[i].sectors + 1, sizeof(*kept));
		/* All of it, nothing, or any of its sectors. */
		const unsigned int how = any(3);

		for (s = 0; s < torn[i].sectors; s++)
			kept[s] = how == 2 ? any(2) : how;
		apply(&torn[i], crashed.main_path, crashed.spare_path, kept);
		free(kept);
	}
	assert_int_equal(pair_open(&crashed, mark ? uuid_arguments : ""), 0);
	assert_int_equal(pair_status(&crashed).copies, 5);
	for (s = 0; s < AREA; s += CHUNK)
		wrong += wrong_sectors(s, CHUNK, then, next);
	if (wrong)
		fail_msg("%u sectors are wrong after mark %u", wrong, mark);
	pair_close(&crashed);
	assert_int_equal(dm_remove("state_spare"), 0);
	assert_int_equal(dm_remove("state_main"), 0);
}

/* Records that a flush made stable together: before it, any part of them may have been. */
static unsigned int unflushed(const struct log_record *log, unsigned int n)
{
	unsigned int count = 0;

	while (count < n && log[count].sectors && !(log[count].flags & (LOG_FUA | LOG_FLUSH)))
		count++;
	/* By itself, a record can still be torn. */
	return count ? count : n && log[0].sectors ? 1 : 0;
}

static void peer_11_acknowledged_bytes_are_there_at_every_instant(void **state)
{
	unsigned int records, i, group_end = 0, mark = 0, states = 0, torn = 0, t;
	struct log_record *log;

	(void)state;
	seed = 1;
	steps = 0;
	places_used = 0;
	memset(fua, 0, sizeof(fua));
	log = do_work(&records);
	make_crashed_disks();
	for (i = 0; i < records; i++) {
		if (log[i].flags & LOG_MARK && log[i].mark)
			mark = log[i].mark;
		if (!log[i].sectors)
			continue;
		check_state(NULL, 0, mark);
		states++;
		if (i >= group_end) {
			const unsigned int count = unflushed(log + i, records - i);

			for (t = 0; count && t < times(); t++, torn++)
				check_state(log + i, count, mark);
			group_end = i + count;
		}
		apply(&log[i], crashed.main.path, crashed.spare.path, NULL);
		note_fua(&log[i]);
	}
	check_state(NULL, 0, mark);
	printf("%u steps, %u records; %u states, %u torn ones\n", steps, records, states + 1, torn);
	assert_int_equal(mark, steps);
	assert_true(states > 3 * steps && torn > steps);
	write_log_free(log, records);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(peer_11_acknowledged_bytes_are_there_at_every_instant),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
