/* SPDX-License-Identifier: Apache-2.0 */
/* The out-of-line half of the ownership attributes. */
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>

void ssf_free_autop(void *p)
{
	void *owned;

	memcpy(&owned, p, sizeof(owned)); /* p may point to a pointer of any type */
	free(owned);
}
