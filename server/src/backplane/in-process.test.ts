import { backplaneContract } from './backplane.contract.ts'
import { inProcess } from './in-process.ts'

backplaneContract('in-process', async () => {
  const shared = inProcess()
  return [shared, shared]
})
