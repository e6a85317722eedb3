import * as $protobuf from "protobufjs/minimal.js";
import Long = require("long");

/** Namespace holler. */
export namespace holler {

    /** Namespace peer. */
    namespace peer {

        /**
         * Properties of a PeerMessage.
         * @deprecated Use holler.peer.PeerMessage.$Properties instead.
         */
        interface IPeerMessage extends holler.peer.PeerMessage.$Properties {
        }

        /** Represents a PeerMessage. */
        class PeerMessage {

            /**
             * Constructs a new PeerMessage.
             * @param [properties] Properties to set
             */
            constructor(properties?: holler.peer.PeerMessage.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** PeerMessage text. */
            text?: (holler.peer.Text.$Properties|null);

            /** PeerMessage receipt. */
            receipt?: (holler.peer.Receipt.$Properties|null);

            /** PeerMessage resend. */
            resend?: (holler.peer.Resend.$Properties|null);

            /** PeerMessage body. */
            body?: ("text"|"receipt"|"resend");

            /**
             * Encodes the specified PeerMessage message. Does not implicitly {@link holler.peer.PeerMessage.verify|verify} messages.
             * @param message PeerMessage message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: holler.peer.PeerMessage.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a PeerMessage message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {holler.peer.PeerMessage & holler.peer.PeerMessage.$Shape} PeerMessage
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): holler.peer.PeerMessage & holler.peer.PeerMessage.$Shape;
        }

        namespace PeerMessage {

            /** Properties of a PeerMessage. */
            interface $Properties {

                /** PeerMessage text */
                text?: (holler.peer.Text.$Properties|null);

                /** PeerMessage receipt */
                receipt?: (holler.peer.Receipt.$Properties|null);

                /** PeerMessage resend */
                resend?: (holler.peer.Resend.$Properties|null);

                /** PeerMessage body */
                body?: ("text"|"receipt"|"resend");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a PeerMessage. */
            type $Shape = {
              text?: holler.peer.Text.$Shape|null;
              receipt?: holler.peer.Receipt.$Shape|null;
              resend?: holler.peer.Resend.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ body?: undefined; text?: null; receipt?: null; resend?: null }|{ body?: "text"; text: holler.peer.Text.$Shape; receipt?: null; resend?: null }|{ body?: "receipt"; text?: null; receipt: holler.peer.Receipt.$Shape; resend?: null }|{ body?: "resend"; text?: null; receipt?: null; resend: holler.peer.Resend.$Shape })
            );
        }

        /**
         * Properties of a Text.
         * @deprecated Use holler.peer.Text.$Properties instead.
         */
        interface IText extends holler.peer.Text.$Properties {
        }

        /** Represents a Text. */
        class Text {

            /**
             * Constructs a new Text.
             * @param [properties] Properties to set
             */
            constructor(properties?: holler.peer.Text.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Text id. */
            id: Uint8Array;

            /** Text sequence. */
            sequence: (number|Long);

            /** Text sentAtMs. */
            sentAtMs: (number|Long);

            /** Text text. */
            text: string;

            /** Text replyTo. */
            replyTo: Uint8Array;

            /**
             * Encodes the specified Text message. Does not implicitly {@link holler.peer.Text.verify|verify} messages.
             * @param message Text message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: holler.peer.Text.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Text message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {holler.peer.Text & holler.peer.Text.$Shape} Text
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): holler.peer.Text & holler.peer.Text.$Shape;
        }

        namespace Text {

            /** Properties of a Text. */
            interface $Properties {

                /** Text id */
                id?: (Uint8Array|null);

                /** Text sequence */
                sequence?: (number|Long|null);

                /** Text sentAtMs */
                sentAtMs?: (number|Long|null);

                /** Text text */
                text?: (string|null);

                /** Text replyTo */
                replyTo?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Text. */
            type $Shape = holler.peer.Text.$Properties;
        }

        /**
         * Properties of a Receipt.
         * @deprecated Use holler.peer.Receipt.$Properties instead.
         */
        interface IReceipt extends holler.peer.Receipt.$Properties {
        }

        /** Represents a Receipt. */
        class Receipt {

            /**
             * Constructs a new Receipt.
             * @param [properties] Properties to set
             */
            constructor(properties?: holler.peer.Receipt.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Receipt state. */
            state: holler.peer.Receipt.State;

            /** Receipt ids. */
            ids: Uint8Array[];

            /**
             * Encodes the specified Receipt message. Does not implicitly {@link holler.peer.Receipt.verify|verify} messages.
             * @param message Receipt message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: holler.peer.Receipt.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Receipt message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {holler.peer.Receipt & holler.peer.Receipt.$Shape} Receipt
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): holler.peer.Receipt & holler.peer.Receipt.$Shape;
        }

        namespace Receipt {

            /** Properties of a Receipt. */
            interface $Properties {

                /** Receipt state */
                state?: (holler.peer.Receipt.State|null);

                /** Receipt ids */
                ids?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Receipt. */
            type $Shape = holler.peer.Receipt.$Properties;

            /** State enum. */
            enum State {

                /** UNKNOWN value */
                UNKNOWN = 0,

                /** DELIVERED value */
                DELIVERED = 1,

                /** READ value */
                READ = 2
            }
        }

        /**
         * Properties of a Resend.
         * @deprecated Use holler.peer.Resend.$Properties instead.
         */
        interface IResend extends holler.peer.Resend.$Properties {
        }

        /** Represents a Resend. */
        class Resend {

            /**
             * Constructs a new Resend.
             * @param [properties] Properties to set
             */
            constructor(properties?: holler.peer.Resend.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Resend ids. */
            ids: Uint8Array[];

            /**
             * Encodes the specified Resend message. Does not implicitly {@link holler.peer.Resend.verify|verify} messages.
             * @param message Resend message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: holler.peer.Resend.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Resend message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {holler.peer.Resend & holler.peer.Resend.$Shape} Resend
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): holler.peer.Resend & holler.peer.Resend.$Shape;
        }

        namespace Resend {

            /** Properties of a Resend. */
            interface $Properties {

                /** Resend ids */
                ids?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Resend. */
            type $Shape = holler.peer.Resend.$Properties;
        }
    }
}
