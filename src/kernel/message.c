// SPDX-License-Identifier: GPL-2.0
/*
 * `dmsetup message`.
 *
 * The result's buffer overlaps the words of the message: a handler reads all of them before it
 * writes. A handler that answers returns 1.
 */
#include <linux/mm.h>
#include <linux/sort.h>

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

static int dmr_message_list(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			    unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;
	struct dmr_list_entry *list;
	u64 from = 0, count = ti->len;
	unsigned int sz = 0;
	u32 entries, i;

	if (argc > 3 || (argc > 1 && kstrtou64(argv[1], 10, &from)) ||
	    (argc > 2 && kstrtou64(argv[2], 10, &count)))
		return -EINVAL;
	if (from > ti->len)
		return -EINVAL;
	count = min_t(u64, count, ti->len - from);

	list = dmr_list(target->pair->engine, from, count, &entries);
	if (!list)
		return -ENOMEM;
	DMEMIT("%s", "");
	for (i = 0; i < entries; i++)
		DMEMIT("%llu %u %02x %02x\n", list[i].sector, list[i].slot, list[i].spare_mask,
		       list[i].lost_mask);
	kvfree(list);
	return DMR_ANSWERED;
}

static int dmr_message_stats(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			     unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;
	struct dmr_status status = { };
	unsigned int sz = 0;

	if (argc != 1)
		return -EINVAL;
	dmr_engine_status(target->pair->engine, &status);
	DMEMIT("read_errors=%llu\n", status.main_read_errors);
	DMEMIT("write_errors=%llu\n", status.main_write_errors);
	DMEMIT("remaps=%llu\n", status.remaps);
	DMEMIT("lost_sectors=%llu\n", status.lost_sectors);
	DMEMIT("salvaged=%llu\n", status.salvaged);
	DMEMIT("retired_slots=%u\n", status.slots_retired);
	DMEMIT("commits=%llu\n", status.commits);
	DMEMIT("sequence=%llu\n", status.sequence);
	DMEMIT("good_copies=%u\n", status.good_copies);
	DMEMIT("repairs=%llu\n", status.repairs);
	DMEMIT("slots_total=%u\n", status.slots_total);
	DMEMIT("slots_used=%u\n", status.slots_used);
	DMEMIT("memory_bytes=%llu\n", status.arena_bytes + sizeof(*target->pair) + sizeof(*target) +
	       num_possible_cpus() * sizeof(struct dmr_inflight_count));
	return DMR_ANSWERED;
}

static bool dmr_is_read_only(const struct dmr_target *target)
{
	return !target->writable || target->arguments.read_only_metadata;
}

/* The range that the words say: [<sector> [<count>]], a sector if there is no count. */
static int dmr_parse_range(const struct dm_target *ti, unsigned int argc, char **argv,
			   struct dmr_job *job)
{
	job->count = 1;
	if (argc > 3 || kstrtou64(argv[1], 10, &job->from) ||
	    (argc > 2 && kstrtou64(argv[2], 10, &job->count)))
		return -EINVAL;
	if (job->from >= ti->len || !job->count || job->count > ti->len - job->from) {
		DMERR("message '%s': sectors beyond the target", argv[0]);
		return -EINVAL;
	}
	return 0;
}

static int dmr_message_job(struct dm_target *ti, enum dmr_job_kind kind, unsigned int argc,
			   char **argv, char *result, unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;
	struct dmr_job job = { .kind = kind, .count = ti->len };
	unsigned int sz = 0;
	int r;

	if (argc == 1 && kind != DMR_JOB_RETEST)
		return -EINVAL;
	r = argc == 1 ? 0 : dmr_parse_range(ti, argc, argv, &job);
	if (r)
		return r;
	if (dmr_is_read_only(target))
		return -EROFS;
	r = dmr_pair_job(target->pair, &job);
	if (r)
		return r;
	DMEMIT("%llu %llu %llu\n", job.done, job.failed, job.lost);
	return DMR_ANSWERED;
}

static int dmr_message_remap(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			     unsigned int maxlen)
{
	return dmr_message_job(ti, DMR_JOB_REMAP, argc, argv, result, maxlen);
}

static int dmr_message_unmap(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			     unsigned int maxlen)
{
	return dmr_message_job(ti, DMR_JOB_UNMAP, argc, argv, result, maxlen);
}

static int dmr_message_retest(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			      unsigned int maxlen)
{
	return dmr_message_job(ti, DMR_JOB_RETEST, argc, argv, result, maxlen);
}

static int dmr_message_resume_remap(struct dm_target *ti, unsigned int argc, char **argv,
				    char *result, unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;

	if (argc != 1)
		return -EINVAL;
	dmr_engine_resume_remap(target->pair->engine);
	return 0;
}

static int dmr_message_repair(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			      unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;
	unsigned int sz = 0;
	u32 good_copies;
	int r;

	if (argc != 1)
		return -EINVAL;
	if (dmr_is_read_only(target))
		return -EROFS;
	r = dmr_pair_repair(target->pair, &good_copies);
	if (r)
		return r;
	DMEMIT("%u/%u\n", good_copies, DMR_COPIES);
	return DMR_ANSWERED;
}

struct dmr_message_handler {
	const char *word;
	int (*handle)(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		      unsigned int maxlen); /* NULL: not built yet */
};

static const struct dmr_message_handler dmr_message_handlers[] = {
	{ "list", dmr_message_list },
	{ "stats", dmr_message_stats },
	{ "repair", dmr_message_repair },
	{ "remap", dmr_message_remap },
	{ "unmap", dmr_message_unmap },
	{ "retest", dmr_message_retest },
	{ "resume_remap", dmr_message_resume_remap },
	{ "scan", NULL },
};

int dmr_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		unsigned int maxlen)
{
	const struct dmr_message_handler *handler;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmr_message_handlers); i++) {
		handler = &dmr_message_handlers[i];
		if (strcmp(argv[0], handler->word))
			continue;
		if (handler->handle)
			return handler->handle(ti, argc, argv, result, maxlen);
		DMERR("message '%s' is not supported by this version", handler->word);
		return -EOPNOTSUPP;
	}
	DMERR("unknown message '%s'", argv[0]);
	return -EINVAL;
}
