/** The development edge. */

import { edgeFront } from './chain.ts';
import { describeFront } from './edge-contract.ts';

describeFront('edge', edgeFront);
