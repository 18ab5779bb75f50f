// SPDX-License-Identifier: GPL-2.0
/*
 * The five copies on the spare: what they say, what damage they survive, and what happens when they
 * can't be written. Looked at from outside, past the module.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

#define BAD 4000
#define BAD_COUNT 80 /* ten blocks */

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

static void make_with_redirections(const struct pair_options *options)
{
	pair_make(&pair, options);
	disk_break(&pair.main, BAD, BAD_COUNT);
	assert_int_equal(oracle_write(oracle, BAD, BAD_COUNT, 0), 0);
}

/* One more redirection, at a place of its own. */
static int redirect(uint64_t sector)
{
	disk_break(&pair.main, sector, 8);
	return oracle_write(oracle, sector, 8, 0);
}

static void all_is_there(void)
{
	assert_int_equal(oracle_check(oracle, BAD, BAD_COUNT), 0);
	assert_true(pair_status(&pair).used >= 10);
}

static void peer_12_five_equal_copies_lie_where_the_format_says(void **state)
{
	struct copy copies[COPIES];
	uint64_t sequence;
	uint8_t spare_mask, lost_mask;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(spare_copies(pair.spare.path, copies), 5);
	assert_true(spare_copies_equal(pair.spare.path));
	assert_int_equal(copies[0].slots, (pair.spare.sectors - SLOTS_BEGIN) / 8);
	assert_int_equal(pair_status(&pair).total, copies[0].slots);
	assert_int_equal(pair_status(&pair).sequence, copies[0].sequence);
	sequence = copies[0].sequence;

	/* On the disk before the write is acknowledged, with a higher sequence each. */
	assert_int_equal(redirect(700), 0);
	assert_true(spare_copies_equal(pair.spare.path));
	assert_true(spare_sequence(pair.spare.path) > sequence);
	sequence = spare_sequence(pair.spare.path);
	assert_int_equal(redirect(7003), 0);
	assert_true(spare_copies_equal(pair.spare.path));
	assert_true(spare_sequence(pair.spare.path) > sequence);
	assert_int_not_equal(spare_slot_of(pair.spare.path, 7003 / 8, &spare_mask, &lost_mask),
			     NO_SLOT);
	assert_int_equal(spare_mask, 0xf8);
	assert_int_equal(lost_mask, 0);
	assert_int_not_equal(spare_slot_of(pair.spare.path, 7003 / 8 + 1, &spare_mask, NULL),
			     NO_SLOT);
	assert_int_equal(spare_mask, 0x07);
	/* Reopening a pair whose copies agree writes nothing. */
	sequence = spare_sequence(pair.spare.path);
	pair_reopen(&pair);
	assert_int_equal(spare_sequence(pair.spare.path), sequence);
}

/* Destroys @count copies from @first on, and sees that the rest is enough and heals them. */
static void survive(int first, int count, enum damage damage)
{
	int i;

	pair_close(&pair);
	for (i = 0; i < count; i++)
		spare_damage(pair.spare.path, (first + i) % COPIES, damage);
	assert_int_equal(spare_copies(pair.spare.path, NULL), COPIES - count);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).copies, 5);
	assert_string_equal(pair_status(&pair).state, "ok");
	assert_true(spare_copies_equal(pair.spare.path));
	all_is_there();
}

static void peer_13_three_destroyed_copies_are_healed_at_opening(void **state)
{
	static const enum damage damages[] = { ZEROS, RANDOM, FLIPPED_HEADER_BIT };
	int count, first = 0;
	unsigned int d;

	(void)state;
	make_with_redirections(NULL);
	for (count = 1; count <= 3; count++)
		for (d = 0; d < 3; d++)
			survive(first++ % COPIES, count, damages[d]);
}

static void every_copy_damaged_in_another_place_opens(void **state)
{
	int i;

	(void)state;
	make_with_redirections(&(struct pair_options){ .spare.mib = 64 });
	assert_int_equal(oracle_write(oracle, BAD, BAD_COUNT, 0), 0);
	survive(0, 3, FLIPPED_TABLE_BIT);
	survive(2, 4, FLIPPED_TABLE_BIT);
	/* Headers of four, and a table block of the fifth: its header vouches for their blocks. */
	pair_close(&pair);
	for (i = 0; i < 3; i++)
		spare_damage(pair.spare.path, i, FLIPPED_HEADER_BIT);
	spare_damage(pair.spare.path, 3, FLIPPED_TABLE_BIT);
	spare_damage(pair.spare.path, 4, FLIPPED_TABLE_BIT);
	assert_int_equal(spare_copies(pair.spare.path, NULL), 0);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_true(spare_copies_equal(pair.spare.path));
	all_is_there();
}

static void a_lone_copy_opens_only_if_accepted(void **state)
{
	char text[256];
	int i;

	(void)state;
	make_with_redirections(NULL);
	pair_close(&pair);
	for (i = 0; i < 4; i++)
		spare_damage(pair.spare.path, i, RANDOM);
	assert_int_equal(pair_open(&pair, ""), -EUCLEAN);
	assert_int_equal(spare_copies(pair.spare.path, NULL), 1);
	assert_int_equal(pair_open(&pair, "1 accept_single_copy"), 0);
	assert_int_equal(pair_status(&pair).copies, 5);
	all_is_there();
	/* Said once, not for ever. */
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_null(strstr(text, "accept_single_copy"));
	pair_reopen(&pair);
	all_is_there();
}

static void refused_untouched(int error)
{
	uint64_t before = device_checksum(pair.spare.path, 0, pair.spare.sectors);

	assert_int_equal(pair_open(&pair, ""), error);
	assert_int_equal(pair_open(&pair, "1 accept_single_copy"), error);
	assert_int_equal(device_checksum(pair.spare.path, 0, pair.spare.sectors), before);
}

static void peer_14_all_copies_destroyed_is_no_empty_spare(void **state)
{
	char zeros[8 * SECTOR] = { 0 };
	int i;

	(void)state;
	make_with_redirections(NULL);
	pair_close(&pair);
	for (i = 0; i < COPIES; i++)
		spare_damage(pair.spare.path, i, FLIPPED_HEADER_BIT);
	refused_untouched(-EUCLEAN);
	/* Headers zeroed, as by a stray wipe: the table blocks still tell whose it was. */
	for (i = 0; i < COPIES; i++)
		io_write(pair.spare.path, copy_sector[i], zeros, 8);
	refused_untouched(-EUCLEAN);
	/* Nothing of ours to be seen: something else's. */
	for (i = 0; i < COPIES; i++)
		spare_damage(pair.spare.path, i, RANDOM);
	refused_untouched(-EMEDIUMTYPE);
	/* Only this goes on. */
	assert_int_equal(pair_open(&pair, "1 format"), 0);
	assert_int_equal(pair_status(&pair).used, 0);
}

static void peer_14_repair_heals_a_live_target(void **state)
{
	enum damage damage;
	uint64_t sequence;

	(void)state;
	make_with_redirections(NULL);
	assert_int_equal(pair_repair(&pair), 5);
	sequence = pair_status(&pair).sequence;
	for (damage = ZEROS; damage <= FLIPPED_TABLE_BIT; damage++) {
		spare_damage(pair.spare.path, damage, damage);
		spare_damage(pair.spare.path, 4, damage);
		assert_int_equal(spare_copies(pair.spare.path, NULL), 3);
		assert_int_equal(pair_repair(&pair), 5);
		assert_true(spare_copies_equal(pair.spare.path));
	}
	/* Even all five: the running state is whole. */
	for (damage = 0; damage < COPIES; damage++)
		spare_damage(pair.spare.path, damage, RANDOM);
	assert_int_equal(pair_repair(&pair), 5);
	assert_true(spare_copies_equal(pair.spare.path));
	assert_true(pair_status(&pair).sequence > sequence);
	assert_true(pair_stat(&pair, "repairs") >= 13);
	pair_reopen(&pair);
	all_is_there();
}

/* The copies of an earlier state are put in the places @from to @to. */
static void put_back(void *const *saved, int from, int to)
{
	int i;

	for (i = from; i <= to; i++)
		spare_restore_copy(pair.spare.path, i, saved[i]);
}

static void peer_13_old_copies_lose_and_sequences_are_not_used_twice(void **state)
{
	void *old[COPIES], *new[COPIES];
	uint64_t old_sequence, new_sequence;
	int i;

	(void)state;
	make_with_redirections(NULL);
	old_sequence = spare_sequence(pair.spare.path);
	for (i = 0; i < COPIES; i++)
		old[i] = spare_save_copy(pair.spare.path, i);
	assert_int_equal(redirect(9000), 0);
	new_sequence = spare_sequence(pair.spare.path);
	for (i = 0; i < COPIES; i++)
		new[i] = spare_save_copy(pair.spare.path, i);

	/* Two of the new state, three of the old one: the new one. */
	pair_close(&pair);
	put_back(old, 0, 2);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).used, 11);
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	assert_true(spare_sequence(pair.spare.path) > new_sequence);
	assert_true(spare_copies_equal(pair.spare.path));

	/* One of the new, four of the old: a commit that was never acknowledged. */
	pair_close(&pair);
	put_back(old, 0, 3);
	put_back(new, 4, 4);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).used, 10);
	assert_true(spare_sequence(pair.spare.path) > new_sequence);
	assert_true(spare_copies_equal(pair.spare.path));
	all_is_there();

	/* One of each and three destroyed: at most one can be stale. */
	pair_close(&pair);
	put_back(old, 0, 0);
	put_back(new, 1, 1);
	for (i = 2; i < COPIES; i++)
		spare_damage(pair.spare.path, i, RANDOM);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).used, 11);
	assert_true(new_sequence > old_sequence);
	for (i = 0; i < COPIES; i++) {
		free(old[i]);
		free(new[i]);
	}
}

static void one_unwritable_copy_is_degraded_and_acknowledged(void **state)
{
	(void)state;
	make_with_redirections(NULL);
	disk_break(&pair.spare, copy_sector[2], 8);
	assert_int_equal(redirect(9000), 0);
	assert_int_equal(pair_status(&pair).copies, 4);
	assert_string_equal(pair_status(&pair).state, "degraded");
	assert_int_equal(pair_repair(&pair), 4);
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	pair_reopen(&pair);
	assert_int_equal(pair_status(&pair).copies, 4);
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	disk_mend(&pair.spare, copy_sector[2], 8);
	assert_int_equal(pair_repair(&pair), 5);
	assert_string_equal(pair_status(&pair).state, "ok");
	all_is_there();
}

static void two_unwritable_copies_acknowledge_nothing(void **state)
{
	uint32_t used, event;

	(void)state;
	make_with_redirections(NULL);
	used = pair_status(&pair).used;
	event = dm_event_nr(NAME);
	disk_break(&pair.spare, copy_sector[1], 8);
	disk_break(&pair.spare, copy_sector[3], 8);
	assert_int_equal(redirect(9000), -EIO);
	assert_string_equal(pair_status(&pair).state, "metadata_ro");
	assert_int_equal(pair_status(&pair).used, used);
	assert_true(pair_event_after(&pair, event));
	/* Healthy I/O and what is redirected go on; nothing new is redirected. */
	assert_int_equal(oracle_write(oracle, 20000, 64, 0), 0);
	assert_int_equal(oracle_read(oracle, 20000, 64), 0);
	assert_int_equal(oracle_write(oracle, BAD, BAD_COUNT, 0), 0);
	all_is_there();
	assert_int_equal(redirect(9100), -EIO);
	assert_int_equal(pair_repair(&pair), 3);
	assert_string_equal(pair_status(&pair).state, "metadata_ro");
	assert_int_equal(redirect(9200), -EIO);

	disk_mend(&pair.spare, copy_sector[1], 8);
	disk_mend(&pair.spare, copy_sector[3], 8);
	assert_int_equal(pair_repair(&pair), 5);
	assert_string_equal(pair_status(&pair).state, "ok");
	assert_int_equal(oracle_write(oracle, 9000, 8, 0), 0);
	assert_int_equal(oracle_write(oracle, 9200, 8, 0), 0);
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	assert_int_equal(pair_status(&pair).used, used + 2 * 1);
	assert_true(spare_copies_equal(pair.spare.path));
	pair_reopen(&pair);
	all_is_there();
	assert_int_equal(oracle_read(oracle, 9200, 8), 0);
}

static void a_commit_that_failed_makes_up_nothing(void **state)
{
	(void)state;
	make_with_redirections(&(struct pair_options){ .wrap_main = true, .wrap_spare = true });
	assert_int_equal(oracle_write(oracle, 9000, 8, 0), 0);
	/* Main's sectors can be read still; the two first copies can't be written. */
	pair_wrap(&pair, WRAPPED_MAIN, 9000, 8, "flakey error_writes");
	pair_wrap(&pair, WRAPPED_SPARE, 0, 2048, "error");
	assert_int_equal(oracle_write(oracle, 9000, 8, 0), -EIO);
	/* In doubt: the old data, and no write until a commit has settled it. */
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	assert_int_equal(oracle_write(oracle, 9000, 8, 0), -EIO);
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	/* Not even if main would take it: after a reboot the slot may be found to be its place. */
	pair_wrap(&pair, WRAPPED_MAIN, 0, 0, "linear");
	assert_int_equal(oracle_write(oracle, 9000, 8, 0), -EIO);
	assert_int_equal(oracle_write(oracle, 9100, 8, 0), 0);
	pair_close(&pair);
	/* Whatever is found after that is the old or the new, of each sector. */
	pair_wrap(&pair, WRAPPED_SPARE, 0, 0, "linear");
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	assert_int_equal(oracle_write(oracle, 9000, 8, 0), 0);
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, 9000, 8), 0);
	all_is_there();
}

static void writes_that_do_not_reach_the_spare_are_not_acknowledged(void **state)
{
	(void)state;
	/* The spare says yes and stores nothing. */
	make_with_redirections(&(struct pair_options){ .wrap_spare = true });
	pair_wrap(&pair, WRAPPED_SPARE, 0, 4096, "flakey drop_writes");
	assert_int_equal(redirect(9000), -EIO);
	assert_string_equal(pair_status(&pair).state, "metadata_ro");
	pair_wrap(&pair, WRAPPED_SPARE, 0, 0, "linear");
	assert_int_equal(pair_repair(&pair), 5);
	/* The same of a slot: the data goes to one that keeps it. */
	pair_wrap(&pair, WRAPPED_SPARE, SLOTS_BEGIN, 16 * 8, "flakey drop_writes");
	assert_int_equal(redirect(9100), 0);
	assert_int_equal(oracle_read(oracle, 9100, 8), 0);
	assert_true(pair_stat(&pair, "retired_slots") > 0);
	assert_string_equal(pair_status(&pair).state, "degraded");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(peer_12_five_equal_copies_lie_where_the_format_says),
		CASE(peer_13_three_destroyed_copies_are_healed_at_opening),
		CASE(every_copy_damaged_in_another_place_opens),
		CASE(a_lone_copy_opens_only_if_accepted),
		CASE(peer_14_all_copies_destroyed_is_no_empty_spare),
		CASE(peer_14_repair_heals_a_live_target),
		CASE(peer_13_old_copies_lose_and_sequences_are_not_used_twice),
		CASE(one_unwritable_copy_is_degraded_and_acknowledged),
		CASE(two_unwritable_copies_acknowledge_nothing),
		CASE(a_commit_that_failed_makes_up_nothing),
		CASE(writes_that_do_not_reach_the_spare_are_not_acknowledged),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
