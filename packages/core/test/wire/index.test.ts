import { expect, test } from '@jest/globals'
import * as wire from '@nbdjs/core/wire'

test('the subpath exports exactly these names', () => {
  expect(Object.keys(wire).sort()).toEqual(
    [
      ...['CHUNK_COOKIE', 'CHUNK_FLAGS', 'CHUNK_HEADER_LENGTH', 'CHUNK_PAYLOAD_LENGTH', 'CHUNK_TYPE'],
      ...['EXTENDED_CHUNK_HEADER_LENGTH', 'EXTENDED_CHUNK_OFFSET', 'EXTENDED_CHUNK_PAYLOAD_LENGTH'],
      ...['EXTENDED_REQUEST_LENGTH', 'decodeExtendedRequest', 'encodeExtendedRequest'],
      ...['blockStatus', 'blockStatusExt', 'decodeDescriptor', 'encodeBlockStatus'],
      ...['decodeBlockStatusFilter', 'encodeBlockStatusFilter'],
      ...['CLIENT_FLAGS_LENGTH', 'EXPORT_NAME_REPLY_LENGTH', 'GREETING_MAGIC_LENGTH'],
      ...['HANDSHAKE_FLAGS_LENGTH', 'MAX_STRING_BYTES', 'OLDSTYLE_LENGTH', 'OPTION_HEADER_LENGTH'],
      ...['OPTION_REPLY_HEADER_LENGTH', 'REQUEST_LENGTH', 'RESERVED_ZEROES'],
      ...['SIMPLE_REPLY_COOKIE', 'SIMPLE_REPLY_ERROR', 'SIMPLE_REPLY_LENGTH'],
      ...['Chunk', 'Cmd', 'CommandFlag', 'ErrorValue', 'HandshakeFlag', 'Info', 'Magic', 'Opt', 'Rep'],
      ...['ReplyFlag', 'TransmissionFlag'],
      ...['chunkName', 'chunkPayloadLength', 'cmdName', 'errorName', 'infoName', 'optName', 'repName'],
      ...[
        'commandFlagNames',
        'handshakeFlagNames',
        'replyFlagNames',
        'replyHeaders',
        'transmissionFlagNames',
      ],
      ...['isErrorChunk', 'isErrorReply'],
      ...['decodeClientFlags', 'encodeClientFlags'],
      ...['decodeErrorPayload', 'encodeErrorChunk', 'encodeErrorPayload'],
      ...['decodeErrorText'],
      ...['decodeExportNameReply', 'encodeExportNameReply'],
      ...['decodeGreetingMagic', 'decodeHandshakeFlags', 'encodeGreeting'],
      ...['decodeInfo', 'encodeInfoBlockSize', 'encodeInfoExport', 'encodeInfoText'],
      ...['decodeInfoRequest', 'encodeInfoRequest'],
      ...['decodeListEntry', 'encodeListEntry'],
      ...['decodeMessage', 'encodeMessage'],
      ...['decodeMetaContext', 'encodeMetaContext'],
      ...['decodeMetaContextRequest', 'encodeMetaContextRequest'],
      ...['decodeDescription', 'decodeName', 'decodeNameOrNone', 'encodeText'],
      ...['decodeOldstyle'],
      ...['decodeOptionHeader', 'encodeOption'],
      ...['decodeOptionReplyHeader', 'encodeOptionReply'],
      ...['decodeRequest', 'encodeRequest'],
      ...['encodeChunkHeader', 'encodeOffsetData', 'encodeOffsetHole', 'encodeSimpleReply'],
      ...['getU64', 'setU64', 'u64'],
    ].sort(),
  )
})
