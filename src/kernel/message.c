// SPDX-License-Identifier: GPL-2.0
/*
 * `dmsetup message`.
 *
 * The core parses the words before anything is answered: the result's buffer overlaps them. A
 * handler that answers returns 1.
 */
#include <linux/mm.h>
#include <linux/sort.h>

#include "dm_remap/fields.h"
#include "log.h"
#include "target.h"

#define DMR_ANSWERED 1

static int dmr_compare_entries(const void *a, const void *b)
{
	const struct dmr_list_entry *x = a, *y = b;

	return x->sector < y->sector ? -1 : x->sector > y->sector;
}

/* Blocks of [from, from + count) in order. kvfree() what it returns; NULL without memory. */
static struct dmr_list_entry *dmr_list(const struct dmr_engine *engine, u64 from, u64 count,
				       u32 *entries)
{
	struct dmr_list_entry *list;
	u32 capacity, found;

	capacity = dmr_engine_list(engine, from, count, NULL, 0);
	list = kvmalloc_array(capacity + 1, sizeof(*list), GFP_NOIO);
	if (!list)
		return NULL;
	/* Those that came up in between are left to the next message. */
	found = dmr_engine_list(engine, from, count, list, capacity);
	*entries = min(found, capacity);
	sort(list, *entries, sizeof(*list), dmr_compare_entries, NULL);
	return list;
}

static int dmr_message_list(const struct dmr_target *target, const struct dmr_message *message,
			    char *result, unsigned int maxlen)
{
	struct dmr_list_entry *list;
	unsigned int sz = 0;
	u32 entries, i;

	list = dmr_list(dmr_target_pair(target)->engine, message->from, message->count, &entries);
	if (!list)
		return -ENOMEM;
	DMEMIT("%s", "");
	for (i = 0; i < entries; i++)
		DMEMIT("%llu %u %02x %02x\n", list[i].sector, list[i].slot, list[i].spare_mask,
		       list[i].lost_mask);
	kvfree(list);
	return DMR_ANSWERED;
}

/* -EBUSY: nothing is known of a pair that is not open. */
static int dmr_message_stats(const struct dmr_target *target, char *result, unsigned int maxlen)
{
	static const char *const io_names[DMR_IO_COUNT] = { "reads", "writes", "read_sectors",
							    "write_sectors" };
	const struct dmr_pair *pair = dmr_target_pair(target);
	struct dmr_status status = { };
	char text[DMR_FIELD_TEXT_BYTES];
	unsigned int sz = 0, i;

	if (!dmr_pair_is_open(pair))
		return -EBUSY;
	dmr_engine_status(pair->engine, &status);
	for (i = 0; i < DMR_IO_COUNT; i++)
		DMEMIT("%s=%llu\n", io_names[i], dmr_sysfs_io(pair, i));
	for (i = 0; i < DMR_FIELD_COUNT; i++)
		if (dmr_field_rule_of(i)->stats)
			DMEMIT("%s=%s\n", dmr_field_rule_of(i)->stats,
			       dmr_field_print(i, &status, text));
	DMEMIT("memory_bytes=%llu\n", status.arena_bytes + sizeof(*pair) + sizeof(*target) +
	       num_possible_cpus() * DMR_INFLIGHT_BYTES +
	       READ_ONCE(pair->scan.page_count) * PAGE_SIZE);
	return DMR_ANSWERED;
}

static bool dmr_is_read_only(const struct dmr_target *target)
{
	return !target->writable || target->arguments.read_only_metadata;
}

static int dmr_message_job(const struct dmr_target *target, enum dmr_job_kind kind,
			   const struct dmr_message *message, char *result, unsigned int maxlen)
{
	struct dmr_job job = { .kind = kind, .from = message->from, .count = message->count };
	unsigned int sz = 0;
	int r;

	if (dmr_is_read_only(target))
		return -EROFS;
	r = dmr_pair_job(dmr_target_pair(target), &job);
	if (r)
		return r;
	DMEMIT("%llu %llu %llu\n", job.done, job.failed, job.lost);
	return DMR_ANSWERED;
}

static int dmr_message_repair(const struct dmr_target *target, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;
	u32 good_copies;
	int r;

	if (dmr_is_read_only(target))
		return -EROFS;
	r = dmr_pair_repair(dmr_target_pair(target), &good_copies);
	if (r)
		return r;
	DMEMIT("%u/%u\n", good_copies, DMR_COPIES);
	return DMR_ANSWERED;
}

static int dmr_message_scan(const struct dmr_target *target, const struct dmr_message *message)
{
	int r;

	if (dmr_is_read_only(target))
		return -EROFS;
	r = dmr_scan_command(dmr_target_pair(target), message->scan);
	if (r == -EINVAL)
		DMERR("message 'scan': the scanner is off");
	return r;
}

int dmr_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;
	struct dmr_message message;
	const char *reason;

	reason = dmr_message_parse(&message, ti->len, argc, (const char *const *)argv);
	if (reason) {
		DMERR("message '%s': %s", argv[0], reason);
		return -EINVAL;
	}
	switch (message.kind) {
	case DMR_MESSAGE_LIST:
		return dmr_message_list(target, &message, result, maxlen);
	case DMR_MESSAGE_STATS:
		return dmr_message_stats(target, result, maxlen);
	case DMR_MESSAGE_REPAIR:
		return dmr_message_repair(target, result, maxlen);
	case DMR_MESSAGE_REMAP:
		return dmr_message_job(target, DMR_JOB_REMAP, &message, result, maxlen);
	case DMR_MESSAGE_UNMAP:
		return dmr_message_job(target, DMR_JOB_UNMAP, &message, result, maxlen);
	case DMR_MESSAGE_RETEST:
		return dmr_message_job(target, DMR_JOB_RETEST, &message, result, maxlen);
	case DMR_MESSAGE_RESUME_REMAP:
		dmr_engine_resume_remap(dmr_target_pair(target)->engine);
		return 0;
	case DMR_MESSAGE_SCAN:
		return dmr_message_scan(target, &message);
	}
	return -EINVAL;
}
