// SPDX-License-Identifier: GPL-2.0
/*
 * Refusals in the log and as errno. See refusal.h.
 */
#include <linux/errno.h>
#include <linux/string.h>

#include "log.h"
#include "refusal.h"

static int dmr_refusal_errno(enum dmr_refusal refusal)
{
	switch (refusal) {
	case DMR_ACCEPTED:
		return 0;
	case DMR_REFUSED_GEOMETRY_LOGICAL_BLOCK:
	case DMR_REFUSED_MAIN_TOO_LARGE:
	case DMR_REFUSED_TARGET_TOO_LONG:
		return -EINVAL;
	case DMR_REFUSED_SPARE_TOO_SMALL:
		return -ENOSPC;
	case DMR_REFUSED_UNREADABLE:
	case DMR_REFUSED_FORMAT_FAILED:
		return -EIO;
	case DMR_REFUSED_FOREIGN:
		return -EMEDIUMTYPE;
	case DMR_REFUSED_DAMAGED:
	case DMR_REFUSED_SINGLE_COPY:
	case DMR_REFUSED_FORK:
	case DMR_REFUSED_VERSION:
		return -EUCLEAN;
	case DMR_REFUSED_OTHER_MAIN:
	case DMR_REFUSED_MAIN_CHANGED:
	case DMR_REFUSED_OTHER_PAIR:
	case DMR_REFUSED_BLANK_WITH_UUID:
		return -ESTALE;
	case DMR_REFUSED_FORMAT_IN_USE:
		return -EBUSY;
	case DMR_REFUSED_READ_ONLY:
		return -EROFS;
	}
	return -EINVAL;
}

int dmr_refuse(const struct dm_target *ti, const struct dmr_target *target,
	       enum dmr_refusal refusal, const struct dmr_report *report)
{
	static const struct dmr_report nothing;
	const struct dmr_report *found = report ? report : &nothing;
	char uuid[DMR_UUID_TEXT_BYTES] = "-";

	if (memchr_inv(found->found_uuid, 0, DMR_UUID_BYTES))
		dmr_uuid_format(found->found_uuid, uuid);
	DMERR("refused dev=%s main=%s spare=%s main_sectors=%llu spare_sectors=%llu length=%llu "
	      "found_uuid=%s found_sequence=%llu found_main_sectors=%llu headers_valid=%u "
	      "votes=%u: %s",
	      dm_table_device_name(ti->table), target->main->name, target->spare->name,
	      target->geometry.main_sectors, target->geometry.spare_sectors,
	      target->geometry.target_sectors, uuid, found->found_sequence,
	      found->found_main_sectors, found->headers_valid, found->votes,
	      dmr_refusal_text(refusal));
	return dmr_refusal_errno(refusal);
}
