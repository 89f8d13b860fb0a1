import { createHash } from 'node:crypto';
import { FENCE_BLOCK } from './hold.js';

/** A Lua script, and the name Redis keeps it by. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

// How many waiters one run may grant to or skip: Lua cannot be interrupted once it has written.
const BATCH = 128;
// Live waiters renew the queue every few seconds, so only an abandoned one expires.
const QUEUE_MS = 60_000;
const FENCE_MS = 86_400_000;

/*
 * What is stored for a lock; every script names all of it in KEYS.
 *   KEYS[1] hash  its holders: token -> mode, fence, metadata. It expires with the last of them.
 *   KEYS[2] zset  token -> expiry in server ms, of readers only: each has its own. Absent while a writer holds.
 *   KEYS[3] zset  who waits: token -> place in line
 *   KEYS[4] hash  who waits: token -> mode, ttl, when its stamp is stale, inbox, metadata
 *   KEYS[5] text  the largest fence given out
 */
const HOLDS = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function number(n) return string.format('%.0f', n) end

local function next_fence()
  local last = redis.call('GET', KEYS[5])
  local fence = time[1] * 1000000 + time[2]
  return last and math.max(last + 1, fence) or fence
end

-- The hold begins; "ttl" is text, which Redis takes as it is. A writer's process may give the next fences of a block to
-- others in it.
local function enter(token, mode, ttl, fence, meta)
  local last = mode == 'w' and fence + ${FENCE_BLOCK - 1} or fence
  redis.call('SET', KEYS[5], number(last), 'PX', '${FENCE_MS}')
  redis.call('HSET', KEYS[1], token, mode .. number(fence) .. ' ' .. meta)
  if mode == 'w' then
    redis.call('PEXPIRE', KEYS[1], ttl)
  else
    redis.call('ZADD', KEYS[2], number(now + ttl), token)
    local longest = number(math.max(tonumber(ttl), redis.call('PTTL', KEYS[1])))
    redis.call('PEXPIRE', KEYS[1], longest)
    redis.call('PEXPIRE', KEYS[2], longest)
  end
end
`;

const QUEUE = `
-- When the last of the readers is to go; nil without any.
local function last_reader()
  return tonumber(redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2])
end

-- Nil, 'r' or 'w': who is inside. Readers whose time is up are put out first.
local function inside()
  local last = last_reader()
  if last and last <= now then redis.call('DEL', KEYS[1]) end
  if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('DEL', KEYS[2])
    return nil
  end
  if not last then return 'w' end
  local late = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ${BATCH})
  if #late > 0 then
    redis.call('ZREM', KEYS[2], unpack(late))
    redis.call('HDEL', KEYS[1], unpack(late))
  end
  return 'r'
end

-- Hands the lock to the first live waiters: one writer, or the readers at the head. True: there may be more to do.
-- "counted": a message that reached nobody means that its process is gone.
local function hand_over(who, own, counted)
  for _ = 1, ${BATCH} do
    if who == 'w' then return false end
    local token = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
    if not token then return false end
    local waiter = redis.call('HGET', KEYS[4], token)
    local mode, ttl, stale, inbox, meta = string.match(waiter or '', '^(%a) (%d+) (%d+) (%S+) (.*)$')
    if mode == 'w' and who == 'r' then return false end
    redis.call('ZREM', KEYS[3], token)
    redis.call('HDEL', KEYS[4], token)
    if mode and tonumber(stale) >= now then
      local fence = next_fence()
      local told = token == own
        or redis.call('PUBLISH', inbox, token .. ' ' .. number(fence) .. ' ' .. KEYS[1]) > 0
        or counted == '0'
      if told then
        enter(token, mode, ttl, fence, meta)
        who = mode
      end
    end
  end
  return who ~= 'w' and redis.call('EXISTS', KEYS[3]) == 1
end
`;

/*
 * Acquires, or takes a place in line, or stamps the place it has. Sent twice it does the same.
 *   ARGV  token, mode, ttl ms, how to wait, metadata
 *         How to wait: '1' in line or '0' not at all, ms after which the stamp is stale, whether receivers count, inbox
 *   answers the fence of a hold that begins; {1, fence, ms left} of one that it had already; or
 *         {0, ms until the holder's time is up, how many are before it}
 */
export const ACQUIRE = script(`${HOLDS}
local token, mode, ttl, waiting, meta = unpack(ARGV)
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) > 0 then
  ${QUEUE}
  local wait, stale, counted, inbox = string.match(waiting, '^(%d) (%d+) (%d) (.*)$')
  local function mine()
    local hold = redis.call('HGET', KEYS[1], token)
    if not hold then return nil end
    local expiry = redis.call('ZSCORE', KEYS[2], token)
    return {1, tonumber(string.match(hold, '^%a(%d+)')), expiry and expiry - now or redis.call('PTTL', KEYS[1])}
  end
  local function refused(before)
    local last = last_reader()
    return {0, last and last - now or redis.call('PTTL', KEYS[1]), before or 0}
  end
  local who = inside()
  local held = who and mine()
  if held then return held end
  if wait == '1' then
    local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2] or 0
    redis.call('ZADD', KEYS[3], 'NX', number(last + 1), token)
    redis.call('HSET', KEYS[4], token, mode .. ' ' .. ttl .. ' ' .. number(now + stale) .. ' ' .. inbox .. ' ' .. meta)
    redis.call('PEXPIRE', KEYS[3], ${QUEUE_MS})
    redis.call('PEXPIRE', KEYS[4], ${QUEUE_MS})
    if who ~= 'w' then
      hand_over(who, token, counted)
      held = mine()
      if held then return held end
    end
    return refused(redis.call('ZRANK', KEYS[3], token))
  end
  hand_over(who, nil, counted)
  who = inside()
  if redis.call('EXISTS', KEYS[3]) == 1 or who == 'w' or (who == 'r' and mode == 'w') then
    return refused(redis.call('ZCARD', KEYS[3]))
  end
end
local fence = next_fence()
enter(token, mode, ttl, fence, meta)
return fence
`);

/*
 * Gives back whatever the token has, a hold or a place in line, and hands the lock over. Sent twice it does no harm.
 *   ARGV  token, whether receivers count, and, where it is not that of the hold, the fence it was used under
 *   answers 1 if it held the lock else 0, and 2 more if it is to be sent again to hand over further
 */
export const RELEASE = script(`
local held = redis.call('HDEL', KEYS[1], ARGV[1])
if held == 1 and ARGV[3] and tonumber(redis.call('GET', KEYS[5]) or 0) < tonumber(ARGV[3]) then
  redis.call('SET', KEYS[5], ARGV[3], 'PX', '${FENCE_MS}')
end
if held == 1 and redis.call('EXISTS', KEYS[2], KEYS[3]) == 0 then return 1 end
${HOLDS}
${QUEUE}
if held == 1 and redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then
  return hand_over(nil, nil, ARGV[2]) and 3 or 1
end
local expiry = redis.call('ZSCORE', KEYS[2], ARGV[1])
if expiry then
  redis.call('ZREM', KEYS[2], ARGV[1])
  if tonumber(expiry) <= now then held = 0 end
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return hand_over(inside(), nil, ARGV[2]) and held + 2 or held
`);

/*
 * Sets the time left of any number of holds.
 *   KEYS  of each hold the first two above
 *   ARGV  of each hold the token, mode, ttl ms
 *   answers of each hold 1, or 0 when it is lost
 */
export const EXTEND = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for i = 1, #KEYS / 2 do
  local holders, readers = KEYS[2 * i - 1], KEYS[2 * i]
  local token, mode, ttl = ARGV[3 * i - 2], ARGV[3 * i - 1], tonumber(ARGV[3 * i])
  local ours = redis.call('HEXISTS', holders, token) == 1
  if mode == 'r' then
    ours = ours and tonumber(redis.call('ZSCORE', readers, token) or 0) > now
    if ours then
      redis.call('ZADD', readers, string.format('%.0f', now + ttl), token)
      ttl = math.max(ttl, redis.call('PTTL', holders))
      redis.call('PEXPIRE', readers, string.format('%.0f', ttl))
    end
  end
  if ours then redis.call('PEXPIRE', holders, string.format('%.0f', ttl)) end
  answers[i] = ours and 1 or 0
end
return answers
`);

/*
 * Who holds and how many wait; changes nothing.
 *   answers {holders as token, record, …; readers as token, expiry, …; ms left; how many wait; server ms}
 */
export const INSPECT = script(`
local time = redis.call('TIME')
return {
  redis.call('HGETALL', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'),
  redis.call('PTTL', KEYS[1]), redis.call('ZCARD', KEYS[3]), time[1] * 1000 + math.floor(time[2] / 1000)
}
`);

function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}
