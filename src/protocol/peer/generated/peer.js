/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $protobuf from "protobufjs/minimal.js";

// Common aliases
const $Reader = $protobuf.Reader, $Writer = $protobuf.Writer, $util = $protobuf.util;
const $Object = $util.global.Object, $undefined = $util.global.undefined, $Error = $util.global.Error, $RangeError = $util.global.RangeError;

// Exported root namespace
const $root = $protobuf.roots["holler-peer"] || ($protobuf.roots["holler-peer"] = {});

export const holler = $root.holler = (() => {

    /**
     * Namespace holler.
     * @exports holler
     * @namespace
     */
    const holler = {};

    holler.peer = (function() {

        /**
         * Namespace peer.
         * @memberof holler
         * @namespace
         */
        const peer = {};

        peer.PeerMessage = (function() {

            /**
             * Properties of a PeerMessage.
             * @typedef {Object} holler.peer.PeerMessage.$Properties
             * @property {holler.peer.Text.$Properties|null} [text] PeerMessage text
             * @property {holler.peer.Receipt.$Properties|null} [receipt] PeerMessage receipt
             * @property {holler.peer.Resend.$Properties|null} [resend] PeerMessage resend
             * @property {"text"|"receipt"|"resend"} [body] PeerMessage body
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a PeerMessage.
             * @memberof holler.peer
             * @interface IPeerMessage
             * @augments holler.peer.PeerMessage.$Properties
             * @deprecated Use holler.peer.PeerMessage.$Properties instead.
             */

            /**
             * Narrowed shape of a PeerMessage.
             * @typedef {{
             *   text?: holler.peer.Text.$Shape|null;
             *   receipt?: holler.peer.Receipt.$Shape|null;
             *   resend?: holler.peer.Resend.$Shape|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ body?: undefined; text?: null; receipt?: null; resend?: null }|{ body?: "text"; text: holler.peer.Text.$Shape; receipt?: null; resend?: null }|{ body?: "receipt"; text?: null; receipt: holler.peer.Receipt.$Shape; resend?: null }|{ body?: "resend"; text?: null; receipt?: null; resend: holler.peer.Resend.$Shape })
             * )} holler.peer.PeerMessage.$Shape
             */

            /**
             * Constructs a new PeerMessage.
             * @memberof holler.peer
             * @classdesc Represents a PeerMessage.
             * @constructor
             * @param {holler.peer.PeerMessage.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const PeerMessage = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * PeerMessage text.
             * @member {holler.peer.Text.$Properties|null|undefined} text
             * @memberof holler.peer.PeerMessage
             * @instance
             */
            PeerMessage.prototype.text = null;

            /**
             * PeerMessage receipt.
             * @member {holler.peer.Receipt.$Properties|null|undefined} receipt
             * @memberof holler.peer.PeerMessage
             * @instance
             */
            PeerMessage.prototype.receipt = null;

            /**
             * PeerMessage resend.
             * @member {holler.peer.Resend.$Properties|null|undefined} resend
             * @memberof holler.peer.PeerMessage
             * @instance
             */
            PeerMessage.prototype.resend = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * PeerMessage body.
             * @member {"text"|"receipt"|"resend"|undefined} body
             * @memberof holler.peer.PeerMessage
             * @instance
             */
            $Object.defineProperty(PeerMessage.prototype, "body", {
                get: $util.oneOfGetter($oneOfFields = ["text", "receipt", "resend"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Encodes the specified PeerMessage message. Does not implicitly {@link holler.peer.PeerMessage.verify|verify} messages.
             * @function encode
             * @memberof holler.peer.PeerMessage
             * @static
             * @param {holler.peer.PeerMessage.$Properties} message PeerMessage message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            PeerMessage.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.text != null && $Object.hasOwnProperty.call(message, "text"))
                    $root.holler.peer.Text.encode(message.text, writer.uint32(/* id 1, wireType 2 =*/10).fork(), _depth + 1).ldelim();
                if (message.receipt != null && $Object.hasOwnProperty.call(message, "receipt"))
                    $root.holler.peer.Receipt.encode(message.receipt, writer.uint32(/* id 2, wireType 2 =*/18).fork(), _depth + 1).ldelim();
                if (message.resend != null && $Object.hasOwnProperty.call(message, "resend"))
                    $root.holler.peer.Resend.encode(message.resend, writer.uint32(/* id 3, wireType 2 =*/26).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a PeerMessage message from the specified reader or buffer.
             * @function decode
             * @memberof holler.peer.PeerMessage
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {holler.peer.PeerMessage & holler.peer.PeerMessage.$Shape} PeerMessage
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            PeerMessage.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.holler.peer.PeerMessage();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.text = $root.holler.peer.Text.decode(reader, reader.size(), $undefined, _depth + 1, message.text);
                            message.body = "text";
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.receipt = $root.holler.peer.Receipt.decode(reader, reader.size(), $undefined, _depth + 1, message.receipt);
                            message.body = "receipt";
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            message.resend = $root.holler.peer.Resend.decode(reader, reader.size(), $undefined, _depth + 1, message.resend);
                            message.body = "resend";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return PeerMessage;
        })();

        peer.Text = (function() {

            /**
             * Properties of a Text.
             * @typedef {Object} holler.peer.Text.$Properties
             * @property {Uint8Array|null} [id] Text id
             * @property {number|Long|null} [sequence] Text sequence
             * @property {number|Long|null} [sentAtMs] Text sentAtMs
             * @property {string|null} [text] Text text
             * @property {Uint8Array|null} [replyTo] Text replyTo
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Text.
             * @memberof holler.peer
             * @interface IText
             * @augments holler.peer.Text.$Properties
             * @deprecated Use holler.peer.Text.$Properties instead.
             */

            /**
             * Shape of a Text.
             * @typedef {holler.peer.Text.$Properties} holler.peer.Text.$Shape
             */

            /**
             * Constructs a new Text.
             * @memberof holler.peer
             * @classdesc Represents a Text.
             * @constructor
             * @param {holler.peer.Text.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Text = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Text id.
             * @member {Uint8Array} id
             * @memberof holler.peer.Text
             * @instance
             */
            Text.prototype.id = $util.newBuffer([]);

            /**
             * Text sequence.
             * @member {number|Long} sequence
             * @memberof holler.peer.Text
             * @instance
             */
            Text.prototype.sequence = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            /**
             * Text sentAtMs.
             * @member {number|Long} sentAtMs
             * @memberof holler.peer.Text
             * @instance
             */
            Text.prototype.sentAtMs = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            /**
             * Text text.
             * @member {string} text
             * @memberof holler.peer.Text
             * @instance
             */
            Text.prototype.text = "";

            /**
             * Text replyTo.
             * @member {Uint8Array} replyTo
             * @memberof holler.peer.Text
             * @instance
             */
            Text.prototype.replyTo = $util.newBuffer([]);

            /**
             * Encodes the specified Text message. Does not implicitly {@link holler.peer.Text.verify|verify} messages.
             * @function encode
             * @memberof holler.peer.Text
             * @static
             * @param {holler.peer.Text.$Properties} message Text message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Text.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.id != null && $Object.hasOwnProperty.call(message, "id") && message.id.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.id);
                if (message.sequence != null && $Object.hasOwnProperty.call(message, "sequence") && (typeof message.sequence === "object" ? message.sequence.low || message.sequence.high : message.sequence !== 0))
                    writer.uint32(/* id 2, wireType 1 =*/17).fixed64(message.sequence);
                if (message.sentAtMs != null && $Object.hasOwnProperty.call(message, "sentAtMs") && (typeof message.sentAtMs === "object" ? message.sentAtMs.low || message.sentAtMs.high : message.sentAtMs !== 0))
                    writer.uint32(/* id 3, wireType 1 =*/25).fixed64(message.sentAtMs);
                if (message.text != null && $Object.hasOwnProperty.call(message, "text") && message.text !== "")
                    writer.uint32(/* id 4, wireType 2 =*/34).string(message.text);
                if (message.replyTo != null && $Object.hasOwnProperty.call(message, "replyTo") && message.replyTo.length)
                    writer.uint32(/* id 5, wireType 2 =*/42).bytes(message.replyTo);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a Text message from the specified reader or buffer.
             * @function decode
             * @memberof holler.peer.Text
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {holler.peer.Text & holler.peer.Text.$Shape} Text
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Text.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.holler.peer.Text();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.id = value;
                            else
                                delete message.id;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 1)
                                break;
                            if (typeof (value = reader.fixed64()) === "object" ? value.low || value.high : value !== 0)
                                message.sequence = value;
                            else
                                delete message.sequence;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 1)
                                break;
                            if (typeof (value = reader.fixed64()) === "object" ? value.low || value.high : value !== 0)
                                message.sentAtMs = value;
                            else
                                delete message.sentAtMs;
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.text = value;
                            else
                                delete message.text;
                            continue;
                        }
                    case 5: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.replyTo = value;
                            else
                                delete message.replyTo;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Text;
        })();

        peer.Receipt = (function() {

            /**
             * Properties of a Receipt.
             * @typedef {Object} holler.peer.Receipt.$Properties
             * @property {holler.peer.Receipt.State|null} [state] Receipt state
             * @property {Array.<Uint8Array>|null} [ids] Receipt ids
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Receipt.
             * @memberof holler.peer
             * @interface IReceipt
             * @augments holler.peer.Receipt.$Properties
             * @deprecated Use holler.peer.Receipt.$Properties instead.
             */

            /**
             * Shape of a Receipt.
             * @typedef {holler.peer.Receipt.$Properties} holler.peer.Receipt.$Shape
             */

            /**
             * Constructs a new Receipt.
             * @memberof holler.peer
             * @classdesc Represents a Receipt.
             * @constructor
             * @param {holler.peer.Receipt.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Receipt = function (properties) {
                this.ids = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Receipt state.
             * @member {holler.peer.Receipt.State} state
             * @memberof holler.peer.Receipt
             * @instance
             */
            Receipt.prototype.state = 0;

            /**
             * Receipt ids.
             * @member {Array.<Uint8Array>} ids
             * @memberof holler.peer.Receipt
             * @instance
             */
            Receipt.prototype.ids = $util.emptyArray;

            /**
             * Encodes the specified Receipt message. Does not implicitly {@link holler.peer.Receipt.verify|verify} messages.
             * @function encode
             * @memberof holler.peer.Receipt
             * @static
             * @param {holler.peer.Receipt.$Properties} message Receipt message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Receipt.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.state != null && $Object.hasOwnProperty.call(message, "state") && message.state !== 0)
                    writer.uint32(/* id 1, wireType 0 =*/8).int32(message.state);
                if (message.ids != null && message.ids.length)
                    for (let i = 0; i < message.ids.length; ++i)
                        writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.ids[i]);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a Receipt message from the specified reader or buffer.
             * @function decode
             * @memberof holler.peer.Receipt
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {holler.peer.Receipt & holler.peer.Receipt.$Shape} Receipt
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Receipt.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.holler.peer.Receipt();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.int32())
                                message.state = value;
                            else
                                delete message.state;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if (!(message.ids && message.ids.length))
                                message.ids = [];
                            message.ids.push(reader.bytes());
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            /**
             * State enum.
             * @name holler.peer.Receipt.State
             * @enum {number}
             * @property {number} UNKNOWN=0 UNKNOWN value
             * @property {number} DELIVERED=1 DELIVERED value
             * @property {number} READ=2 READ value
             */
            Receipt.State = (function() {
                const valuesById = $Object.create(null), values = $Object.create(valuesById);
                values[valuesById[0] = "UNKNOWN"] = 0;
                values[valuesById[1] = "DELIVERED"] = 1;
                values[valuesById[2] = "READ"] = 2;
                return values;
            })();

            return Receipt;
        })();

        peer.Resend = (function() {

            /**
             * Properties of a Resend.
             * @typedef {Object} holler.peer.Resend.$Properties
             * @property {Array.<Uint8Array>|null} [ids] Resend ids
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Resend.
             * @memberof holler.peer
             * @interface IResend
             * @augments holler.peer.Resend.$Properties
             * @deprecated Use holler.peer.Resend.$Properties instead.
             */

            /**
             * Shape of a Resend.
             * @typedef {holler.peer.Resend.$Properties} holler.peer.Resend.$Shape
             */

            /**
             * Constructs a new Resend.
             * @memberof holler.peer
             * @classdesc Represents a Resend.
             * @constructor
             * @param {holler.peer.Resend.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Resend = function (properties) {
                this.ids = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Resend ids.
             * @member {Array.<Uint8Array>} ids
             * @memberof holler.peer.Resend
             * @instance
             */
            Resend.prototype.ids = $util.emptyArray;

            /**
             * Encodes the specified Resend message. Does not implicitly {@link holler.peer.Resend.verify|verify} messages.
             * @function encode
             * @memberof holler.peer.Resend
             * @static
             * @param {holler.peer.Resend.$Properties} message Resend message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Resend.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.ids != null && message.ids.length)
                    for (let i = 0; i < message.ids.length; ++i)
                        writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.ids[i]);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a Resend message from the specified reader or buffer.
             * @function decode
             * @memberof holler.peer.Resend
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {holler.peer.Resend & holler.peer.Resend.$Shape} Resend
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Resend.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.holler.peer.Resend();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if (!(message.ids && message.ids.length))
                                message.ids = [];
                            message.ids.push(reader.bytes());
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Resend;
        })();

        return peer;
    })();

    return holler;
})();

export {
  $root as default
};
